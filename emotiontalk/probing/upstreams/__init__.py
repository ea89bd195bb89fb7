"""What turns an utterance into features."""
