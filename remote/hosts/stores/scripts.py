"""The programs that keep sealed results on a host; as those of `host_scripts`. Paths in a folder
come through standard input: there may be many."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from remote.hosts.ssh.scripts import perl, shell

# One record for each file of a folder: kind, size, modified, changed, inode, path, NUL.
_LISTING = """
use strict; use Fcntl ":mode"; binmode STDOUT;
chdir $ARGV[0] or exit($!{ENOENT} ? 0 : die "$!\\n");
sub look {
  my ($folder) = @_;
  opendir(my $open, $folder) or die "$folder: $!\\n";
  for my $name (sort grep { $_ ne "." && $_ ne ".." } readdir $open) {
    my $path = $folder eq "." ? $name : "$folder/$name";
    my @s = lstat $path or die "$path: $!\\n";
    if (S_ISDIR($s[2])) { look($path); next; }
    print join(" ", S_ISREG($s[2]) ? "file" : "other", @s[7, 9, 10, 1]), " $path\\0";
  }
}
look(".");
"""

# SHA-256 of the files that standard input names, NUL after each; a line each, in that order.
_DIGESTS = """
cd "$1" || exit 1
if command -v sha256sum >/dev/null; then exec xargs -0 sha256sum; fi
exec xargs -0 shasum -a 256
"""

# Standard input is "BYTES PATH", NUL, that many bytes, and so on: appended to files in a folder.
_RECEIVE = """
use strict; use File::Basename; use File::Path qw(make_path); binmode STDIN;
my ($root) = @ARGV;
umask 077;
make_path($root);
chdir $root or die "$!\\n";
system("find", ".", "-type", "d", "-exec", "chmod", "u+rwx", "{}", "+");
local $/ = "\\0";
while (defined(my $head = <STDIN>)) {
  chomp $head;
  my ($bytes, $path) = split / /, $head, 2;
  make_path(dirname($path));
  chmod(0600, $path);
  open(my $file, ">>", $path) or die "$path: $!\\n";
  while ($bytes > 0) {
    my $count = read(STDIN, my $block, $bytes < 1 << 20 ? $bytes : 1 << 20);
    $count or die "$path: the rest of it did not come\\n";
    print $file $block or die "$path: $!\\n";
    $bytes -= $count;
  }
  close($file) or die "$path: $!\\n";
}
"""

# A run's directory goes aside as one, then the files that standard input names (NUL after each)
# go where a result folder has them. Done again after a cut, it goes on.
_ADOPT = """
use strict; use File::Basename; use File::Path qw(make_path); binmode STDIN;
my ($run, $aside, $folder, @system) = @ARGV;
umask 077;
if (-d $run) { rename($run, $aside) or die "$!\\n"; }
system("find", $aside, "-type", "d", "-exec", "chmod", "u+rwx", "{}", "+");
local $/ = "\\0";
while (defined(my $path = <STDIN>)) {
  chomp $path;
  my $source = (grep { $_ eq $path } @system) ? "$aside/$path" : "$aside/output/$path";
  lstat $source;
  if (-f _) {
    make_path(dirname("$folder/$path"));
    rename($source, "$folder/$path") or die "$path: $!\\n";
  }
  elsif (!-f "$folder/$path") { die "$path is not there any more\\n"; }
}
"""

# All of a folder read-only and durable, then its name. Renaming it takes write permission on it.
_PUBLISH_FOLDER = """
use strict; use Fcntl ":mode"; use File::Basename; use IO::Handle;
my ($folder, $final) = @ARGV;
sub flush { open(my $it, "<", $_[0]) or die "$_[0]: $!\\n"; $it->sync or die "$_[0]: $!\\n"; }
sub settle {
  my ($path) = @_;
  opendir(my $open, $path) or die "$path: $!\\n";
  for my $child (map { "$path/$_" } grep { $_ ne "." && $_ ne ".." } readdir $open) {
    my @s = lstat $child or die "$child: $!\\n";
    my $inner = S_ISDIR($s[2]);
    settle($child) if $inner;
    chmod($inner ? 0555 : 0444, $child) or die "$child: $!\\n";
    flush($child);
  }
}
settle($folder);
flush($folder);
rename($folder, $final) or die "$!\\n";
chmod(0555, $final) or die "$!\\n";
flush(dirname($final));
"""


def listing(folder: Path) -> Sequence[str]:
    """Print the files of a folder; nothing where it is not there."""
    return perl(_LISTING, str(folder))


def digests(folder: Path) -> Sequence[str]:
    """Print the SHA-256 of files in a folder."""
    return shell(_DIGESTS, str(folder))


def receive(folder: Path) -> Sequence[str]:
    """Append to files of a folder."""
    return perl(_RECEIVE, str(folder))


def adopt(run: Path, aside: Path, folder: Path, system: Sequence[str]) -> Sequence[str]:
    """Turn a run's directory into a result folder; `system` names what lies beside `output/`."""
    return perl(_ADOPT, str(run), str(aside), str(folder), *system)


def publish_folder(folder: Path, final: Path) -> Sequence[str]:
    """Make a folder read-only and durable and give it its final name."""
    return perl(_PUBLISH_FOLDER, str(folder), str(final))
