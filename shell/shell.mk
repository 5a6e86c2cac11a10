# clustershell.
