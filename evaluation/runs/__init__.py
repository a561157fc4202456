"""Many routes: worker processes, the ledger of what is finished, the results file."""
