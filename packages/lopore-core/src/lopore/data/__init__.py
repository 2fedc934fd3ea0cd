"""Sets of images: manifests, groups, splits, leaks and checks. Heavy libraries wake when a function needs them."""
