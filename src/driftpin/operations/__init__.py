"""One file per verb that changes durable state; each verb runs one transaction."""
