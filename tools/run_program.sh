#!/bin/bash
# Runs its arguments: makes a test out of any program.
exec "$@"
