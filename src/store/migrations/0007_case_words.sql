-- What a case's Deployment showed, and why the last decision chose what it chose: words of our own, for people.
ALTER TABLE cases ADD COLUMN symptom TEXT NOT NULL DEFAULT '';
ALTER TABLE cases ADD COLUMN reason TEXT NOT NULL DEFAULT '';
