"""Pure decisions on what comes in: is it for us (attention), may it (access), how much (quota), when (lanes)."""
