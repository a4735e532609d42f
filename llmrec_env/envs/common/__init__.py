"""What every environment needs, once: resets, seeds, masks, the time limit, checks, drawing."""
