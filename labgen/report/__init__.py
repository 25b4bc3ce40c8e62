"""One HTML page that shows a build: funnel, coverage, cost, every row and every rejection with its history."""
