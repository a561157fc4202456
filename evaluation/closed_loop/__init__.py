"""One route driven in closed loop: tick, observe, act, judge by the criteria, notify observers."""
