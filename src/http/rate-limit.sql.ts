/** gatehouse.rate_limits: what callers have used up, shared by all instances. */
