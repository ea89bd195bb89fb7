"""Tools on top of the EmotionTalk loading script: one module a command, listed by `emotiontalk --help`."""
