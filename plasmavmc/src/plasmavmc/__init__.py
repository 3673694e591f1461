"""Virtual machines: images, flavours, lifecycle, console; and their host agent."""
