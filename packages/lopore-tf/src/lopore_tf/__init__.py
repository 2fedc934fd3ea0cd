"""TensorFlow backend of lopore; this version offers nothing."""
