"""A fleet under load in virtual time: how a way of choosing behaves before traffic meets it."""
