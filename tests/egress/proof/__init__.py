"""The egress proof: address forms through every door, against listeners at every address there is."""
