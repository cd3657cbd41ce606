"""The impure half that every service needs: log, archive, settings, metrics, HTTP."""
