"""The few small programs that run on a host: argument lists, POSIX sh and perl (which macOS and
Linux have). Paths are arguments, never part of a program's text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

WHO = ("/bin/sh", "-c", 'id -u; id -g; printf "%s\\n" "$HOME"')

_REMOVE = """
[ -e "$1" ] || [ -L "$1" ] || exit 0
rm -rf -- "$1" 2>/dev/null && exit 0
find "$1" -type d -exec chmod u+rwx {} +
exec rm -rf -- "$1"
"""

_FREE = """
p=$1
while [ ! -e "$p" ]; do p=$(dirname "$p"); done
exec df -Pk "$p"
"""

_DIGEST = """
if command -v sha256sum >/dev/null; then exec sha256sum <"$1"; fi
exec shasum -a 256 <"$1"
"""

_APPEND = """
umask 077
exec cat >>"$1"
"""

# The whole disk is not synced for one file: others may be writing to it.
_PUBLISH = """
use strict; use IO::Handle; use File::Basename;
my ($partial, $final) = @ARGV;
open(my $file, "+<", $partial) or die "$!\\n";
$file->sync or die "$!\\n";
chmod(0444, $partial) and rename($partial, $final) and chmod(0711, dirname($final))
  or die "$!\\n";
"""

# The lock ends with this process: when its standard input ends, or nothing comes for a while.
_LOCK = """
use strict; use Fcntl qw(:flock O_RDWR O_CREAT O_APPEND); $| = 1;
my ($path, $silence) = @ARGV;
sysopen(my $file, $path, O_RDWR | O_CREAT | O_APPEND, 0600) or die "$!\\n";
my ($held, $told, $heard) = (0, 0, time);
while (1) {
  if (!$held) {
    if (flock($file, LOCK_EX | LOCK_NB)) { $held = 1; print "held\\n"; }
    elsif (!$told) { $told = 1; print "waiting\\n"; }
  }
  my $ready = ""; vec($ready, 0, 1) = 1;
  if (select($ready, undef, undef, $held ? 1 : 0.1) > 0) {
    sysread(STDIN, my $beat, 4096) or exit 0;
    $heard = time;
  }
  exit 3 if time - $heard > $silence;
}
"""

# One record for each entry: kind, size, links, device, inode, when it last changed, now, path;
# each ends with a NUL. The run may go on and put links where directories were: a directory is
# gone into and then compared with what was seen.
_WALK = """
use strict; use Fcntl ":mode"; binmode STDOUT;
my ($root, $deepest, @names) = @ARGV;
chdir $root or die "$!\\n";
sub told { print join(" ", @_[0 .. 6]), " $_[7]\\0"; }
sub look {
  my ($name, $path, $depth) = @_;
  my @s = lstat $name;
  if (!@s) { told("unreadable", 0, 1, 0, 0, 0, 0, $path) unless $!{ENOENT}; return; }
  my $mode = $s[2];
  if (S_ISREG($mode)) { told("file", $s[7], $s[3], $s[0], $s[1], $s[10], time, $path); }
  elsif (!S_ISDIR($mode)) {
    my $kind = S_ISLNK($mode) ? "link" : S_ISFIFO($mode) ? "fifo"
      : S_ISSOCK($mode) ? "socket" : "device";
    told($kind, 0, 1, 0, 0, 0, 0, $path);
  }
  elsif ($depth >= $deepest) { told("too_deep", 0, 1, 0, 0, 0, 0, $path); }
  else { descend($name, $path, $depth, @s); }
}
sub descend {
  my ($name, $path, $depth, @seen) = @_;
  opendir(my $back, ".") or die "$!\\n";
  my @now = chdir($name) ? stat "." : ();
  my $inside = @now && $now[0] == $seen[0] && $now[1] == $seen[1];
  if ($inside && opendir(my $folder, ".")) {
    my @children = sort grep { $_ ne "." && $_ ne ".." } readdir $folder;
    closedir $folder;
    look($_, "$path/$_", $depth + 1) for @children;
  }
  else { told("directory", 0, 1, 0, 0, 0, 0, $path); }
  chdir $back or die "$!\\n";
}
look($_, $_, 0) for @names;
"""

# Opens a regular file below $root: no link is followed anywhere in its path, no FIFO waited for.
_OPENED = """
use strict; use Errno qw(ENOTDIR ELOOP); use Fcntl qw(:mode O_RDONLY O_NOFOLLOW O_NONBLOCK);
binmode STDIN; binmode STDOUT; $/ = "\\0";
my $root = shift @ARGV;
my $at;
sub enter {
  my ($folder) = @_;
  return 1 if defined $at && $at eq $folder;
  undef $at;
  chdir $root or return 0;
  for my $name (split m{/}, $folder) {
    my @seen = lstat $name or return 0;
    if (!S_ISDIR($seen[2])) { $! = ENOTDIR; return 0; }
    chdir $name or return 0;
    my @now = stat "." or return 0;
    if ($now[0] != $seen[0] || $now[1] != $seen[1]) { $! = ELOOP; return 0; }
  }
  $at = $folder;
  return 1;
}
sub opened {
  my ($path) = @_;
  my ($folder, $name) = $path =~ m{^(?:(.*)/)?([^/]+)\\z}s;
  enter(defined $folder ? $folder : "") or return (undef, "cannot be read: $!");
  sysopen(my $file, $name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    or return (undef, "cannot be read: $!");
  -f $file or return (undef, "is no regular file any more");
  return ($file, "");
}
"""

# For each "SIZE PATH" on standard input the file's bytes, one more than SIZE at most, in frames:
# `+COUNT` and so many bytes, `.` at its end, `!REASON` where it cannot be read (on).
_READ_EACH = (
    _OPENED
    + """
sub put {
  my $done = 0;
  while ($done < length $_[0]) {
    my $sent = syswrite(STDOUT, $_[0], length($_[0]) - $done, $done);
    defined $sent or exit 1;
    $done += $sent;
  }
}
while (my $request = <STDIN>) {
  chomp $request;
  my ($left, $path) = split / /, $request, 2;
  my ($file, $why) = opened($path);
  if (!$file) { put("!$why\\n"); next; }
  $left++;
  while (1) {
    my $asked = $left < 1 << 20 ? $left : 1 << 20;
    my $count = sysread($file, my $block, $asked);
    if (!defined $count) { put("!cannot be read: $!\\n"); last; }
    $left -= $count;
    my $last = !$count || !$left || $count < $asked && -s $file <= sysseek($file, 0, 1);
    put(($count ? "+$count\\n$block" : "") . ($last ? ".\\n" : ""));
    last if $last;
  }
}
"""
)

# For each path on standard input its file's SHA-256, or an empty line where it cannot be read.
# Small ones by a library where there is one, others by the program that is several times faster.
_DIGEST_EACH = (
    _OPENED
    + """
$| = 1;
my $library = eval { require Digest::SHA; 1 };
sub by_program {
  my ($file) = @_;
  my $pid = open(my $said, "-|");
  defined $pid or die "$!\\n";
  if (!$pid) {
    require POSIX;
    close STDIN;  # or what was read ahead of it would move the place in the file
    defined POSIX::dup2(fileno $file, 0) or exit 1;
    exec("sha256sum") or exec("shasum", "-a", "256") or exit 127;
  }
  my $sum = <$said>;
  close $said;
  $? >> 8 == 127 and die "sha256sum or shasum is needed\\n";
  return defined $sum && $sum =~ /^([0-9a-f]{64})\\b/ ? $1 : "";
}
sub by_library {
  my ($file) = @_;
  my $sum = eval { Digest::SHA->new(256)->addfile($file)->hexdigest };
  return defined $sum ? $sum : "";
}
while (my $path = <STDIN>) {
  chomp $path;
  my ($file, $why) = opened($path);
  my $small = $file && $library && -s $file < 1 << 20;
  print !$file ? "" : $small ? by_library($file) : by_program($file), "\\n";
}
"""
)

# Whatever else is asked of the host comes first.
_GENTLY = ("nice", "-n", "19")

# The members of a saved image: kind, size, length of what follows, path, a NUL; small ones whole.
_SAVED = r"""
use strict; binmode STDIN; binmode STDOUT;
my $most = shift;
sub get {
  my ($left) = @_;
  my $data = "";
  while ($left) {
    my $count = sysread(STDIN, $data, $left, length $data);
    $count or die "the saved image was cut\n";
    $left -= $count;
  }
  return $data;
}
sub skip {
  my ($left) = @_;
  while ($left > 0) {
    my $part = $left > 1 << 20 ? 1 << 20 : $left;
    get($part);
    $left -= $part;
  }
}
my ($long, $large);
while (1) {
  my $head = get(512);
  last if $head =~ /^\0{512}$/;
  my ($name, $size, $type, $target, $prefix) = unpack("Z100 x24 Z12 x20 a1 Z100 x88 Z155", $head);
  $size = defined $large ? $large : oct $size;
  $name = defined $long ? $long : length $prefix ? "$prefix/$name" : $name;
  my $pad = -$size % 512;
  if ($type eq "x") {
    my $records = get($size);
    skip($pad);
    $long = $1 if $records =~ /\d+ path=(.*)\n/;
    $large = $1 if $records =~ /\d+ size=(\d+)\n/;
    next;
  }
  ($long, $large) = ();
  if ($type eq "2") { print "link 0 ", length $target, " $name\0$target"; }
  elsif ($type eq "0" || $type eq "\0") {
    my $body = $size <= $most ? get($size) : "";
    skip($size) if $size > $most;
    $body = "" unless $body =~ /^\s*[\[{]/;
    print "file $size ", length $body, " $name\0$body";
    skip($pad);
    next;
  }
  skip($size + $pad);
}
1 while sysread STDIN, my $rest, 1 << 16;
print "end\0";
"""

# Of a regular file, links followed: size, modified, changed, inode, device. What was changed in
# this very second may change again and look the same: such a stamp equals no later one.
_STAMP = """
use strict; use Fcntl ":mode";
my @s = stat $ARGV[0] or die "$!\\n";
S_ISREG($s[2]) or die "is no regular file\\n";
open(my $file, "<", $ARGV[0]) or die "$!\\n";
print join(" ", @s[7, 9], $s[10] < $^T ? $s[10] : "new", @s[1, 0]), "\\n";
"""

# The first of the arguments that is a program; `~/` is the user's home on the host.
_PROGRAM = """
for f in "$@"; do
  case $f in "~/"*) f=$HOME/${f#"~/"} ;; esac
  case $f in */*) ;; *) f=$(command -v "$f") || continue ;; esac
  if [ -x "$f" ] && [ ! -d "$f" ]; then printf "%s\\n" "$f"; exit 0; fi
done
exit 127
"""


# Each docker command among the arguments: where it is, whether it has buildx, its version.
_BUILDERS = """
for f in "$@"; do
  case $f in "~/"*) f=$HOME/${f#"~/"} ;; esac
  case $f in */*) ;; *) f=$(command -v "$f") || continue ;; esac
  [ -x "$f" ] && [ ! -d "$f" ] && version=$("$f" --version 2>/dev/null) || continue
  if "$f" buildx version >/dev/null 2>&1; then buildx=buildx; else buildx=none; fi
  printf "%s\\t%s\\t%s\\n" "$f" "$buildx" "$version"
done
"""

# A docker command with a configuration of ours, for the engine that the user's own would reach.
_DOCKER = """
configuration=$1 docker=$2
shift 2
if [ -z "$DOCKER_HOST" ]; then
  DOCKER_HOST=$("$docker" context inspect --format "{{.Endpoints.docker.Host}}") || exit
fi
export DOCKER_HOST
DOCKER_CONFIG=$configuration
export DOCKER_CONFIG
"""

_PULL = """
exec "$docker" pull -- "$1" 2>&1
"""

# The context comes packed; of a context on standard input some pairs of client and engine lose it.
_BUILD = """
context=$(mktemp -d) || exit
trap 'rm -rf "$context"' EXIT
trap 'exit 1' HUP INT TERM
gzip -dc | tar -xf - -C "$context" || exit
"$docker" build "$@" -- "$context" 2>&1
"""

# BuildKit, and images without attestations: one manifest is what layers are appended to.
PLAIN_IMAGES = {"DOCKER_BUILDKIT": "1", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}


def remove(path: Path) -> Sequence[str]:
    """Delete a tree."""
    return shell(_REMOVE, str(path))


def free(path: Path) -> Sequence[str]:
    """`df -Pk` of where a path is or will be."""
    return shell(_FREE, str(path))


def digest(path: Path) -> Sequence[str]:
    """Print a file's SHA-256."""
    return shell(_DIGEST, str(path))


def append(path: Path) -> Sequence[str]:
    """Append standard input to a file."""
    return shell(_APPEND, str(path))


def publish(partial: Path, final: Path) -> Sequence[str]:
    """Make a file read-only and durable and give it its final name."""
    return perl(_PUBLISH, str(partial), str(final))


def stamp(path: Path) -> Sequence[str]:
    """Print what changes when a file does."""
    return perl(_STAMP, str(path))


def program(candidates: Sequence[str]) -> Sequence[str]:
    """Print where a program is."""
    return shell(_PROGRAM, *candidates)


def builders(candidates: Sequence[str]) -> Sequence[str]:
    """List docker commands: path, `buildx` or `none`, what `--version` says; tabs between."""
    return shell(_BUILDERS, *candidates)


def build(docker: str, configuration: Path, arguments: Sequence[str]) -> Sequence[str]:
    """`docker build` of the packed folder on standard input; both streams in one."""
    settings = [f"{name}={value}" for name, value in PLAIN_IMAGES.items()]
    words = (str(configuration), docker, *arguments)
    return ("/usr/bin/env", *settings, *shell(_DOCKER + _BUILD, *words))


def pull(docker: str, configuration: Path, image: str) -> Sequence[str]:
    """`docker pull`; both streams in one."""
    return shell(_DOCKER + _PULL, str(configuration), docker, image)


def saved(docker: Sequence[str], image: str, most: int) -> Sequence[str]:
    """List what `docker save` gives of an image; JSON of up to `most` bytes comes whole."""
    pipe = 'most=$1 text=$2; shift 2; "$@" | perl -e "$text" -- "$most"'
    return shell(pipe, str(most), _SAVED.strip(), *docker, "save", image)


def lock(path: Path, silence_seconds: int) -> Sequence[str]:
    """Hold a lock on a file; prints `waiting` and `held`."""
    return perl(_LOCK, str(path), str(silence_seconds))


def walk(root: Path, deepest: int, names: Sequence[str]) -> Sequence[str]:
    """List what lies below some names in a directory."""
    return perl(_WALK, str(root), str(deepest), *names)


def read_each(root: Path) -> Sequence[str]:
    """Print the files below a directory that standard input asks for."""
    return perl(_READ_EACH, str(root))


def digest_each(root: Path) -> Sequence[str]:
    """Print the SHA-256 of each file below a directory that standard input asks for."""
    return perl(_DIGEST_EACH, str(root))


def gently(argv: Sequence[str]) -> Sequence[str]:
    """The same command, which gives way to others."""
    return (*_GENTLY, *argv)


def shell(text: str, *arguments: str) -> Sequence[str]:
    """A program for sh with its arguments."""
    return ("/bin/sh", "-c", text.strip(), "sh", *arguments)


def perl(text: str, *arguments: str) -> Sequence[str]:
    """A program for perl with its arguments."""
    return ("perl", "-e", text.strip(), "--", *arguments)
