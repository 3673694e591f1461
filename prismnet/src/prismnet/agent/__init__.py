"""prismnet's part on every host: `core` plans and speaks protocols, `shell` changes the kernel and serves guests."""
