"""The cleaning rules tried on some spectra of an input, before a build of all of them."""
