#!/bin/sh
# One query for two solvers: z3 gets what yices does not decide in so many seconds of the processor.
# usage: solvers.sh SECONDS QUERY
answer=$(ulimit -t "$1" && yices-smt2 --smt2-model-format --bvconst-in-decimal "$2")
case $answer in
sat* | unsat*) printf '%s\n' "$answer" ;;
*) exec z3 "$2" ;;
esac
