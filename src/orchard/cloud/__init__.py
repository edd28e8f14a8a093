"""What AWS charges and what a run there would cost: figures, for which nobody is asked."""
