"""Tests of improved_gan_tf; they mirror the package."""
