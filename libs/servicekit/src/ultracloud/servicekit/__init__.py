"""What every service's shell is made of: config, lifecycle, identity, channels, resources."""
