"""Image enhancements for weld radiographs: 8 and 16 bit, depth and channels in are depth and channels out."""
