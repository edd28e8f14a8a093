"""Orchard on AWS, inside the EU and inside a budget. boto3 is imported on first use, here too."""
