"""Usage and budgets: what calls cost, who pays, and how much each may spend."""
