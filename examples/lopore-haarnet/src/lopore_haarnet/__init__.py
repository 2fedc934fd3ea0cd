"""HaarNet for lopore-torch: a small residual network behind a wavelet stem."""
