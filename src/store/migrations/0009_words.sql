-- Words that a build's log was read to have, and those that the model never learnt from.
ALTER TABLE predictions ADD COLUMN words INTEGER;
ALTER TABLE predictions ADD COLUMN unknown_words INTEGER;
