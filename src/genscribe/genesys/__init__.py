"""The platform's REST; foreign errors are translated here."""
