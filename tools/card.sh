#!/usr/bin/env bash
# The most that ten minutes on a graphics card can tell:  bash tools/card.sh FOLDER [--stand-in]
#
# Every step has a time limit and none is fatal.  FOLDER gets card.json (what each step found), table.txt (the same in short, printed
# last), log.txt (what the steps printed), memcheck.txt, racecheck.txt and ncu.txt.  --stand-in tries it without a card, in small.
# PYTHON: the interpreter, python3 by default.  WHEELS: a folder of wheels, for a machine that lacks packages and reaches no index.
# STEPS: names of steps, all by default.  BUDGET: seconds of all steps together, 570 by default.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
[ $# -ge 1 ] || { sed -n '2,7s/^# \{0,1\}//p' tools/card.sh >&2; exit 2; }
folder=$1
shift
mkdir -p "$folder" || exit 2
folder=$(cd "$folder" && pwd)
PYTHON=${PYTHON:-python3}
export PYTHONPATH=$PWD:$PWD/tools${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1
log=$folder/log.txt
rm -f "$folder/card.json"
: >"$log"

step() {  # NAME SECONDS COMMAND...: run a command, note how it ended
  local name=$1 seconds=$2 begun=$SECONDS code=0
  shift 2
  case " ${STEPS:-$name} " in *" $name "*) ;; *) return ;; esac
  local left=$((${BUDGET:-570} - SECONDS))
  if [ "$left" -lt 5 ]; then skip "$name" "no time is left"; return; fi
  [ "$seconds" -le "$left" ] || seconds=$left
  echo "== $name (at most $seconds s)" | tee -a "$log"
  timeout --kill-after=10 "$seconds" "$@" >>"$log" 2>&1 || code=$?
  "$PYTHON" tools/card_results.py "$folder" note "$name" "$code" "$((SECONDS - begun))" "$seconds" >>"$log" 2>&1
}

skip() {  # NAME REASON
  echo "== $1: NOT RUN, $2" | tee -a "$log"
  "$PYTHON" tools/card_results.py "$folder" skip "$1" "$2" >>"$log" 2>&1
}

with() {  # TOOL NAME SECONDS COMMAND...: a step under a tool that the machine may lack
  local tool=$1
  shift
  if command -v "$tool" >/dev/null; then step "$@"; else skip "$1" "there is no $tool on this machine"; fi
}

steps=("$PYTHON" tools/card_steps.py "$@" "$folder")
missing=$("$PYTHON" tools/card_results.py "$folder" missing 2>&1)
if [ -n "$missing" ]; then
  echo "packages that are missing or broken: $missing" | tee -a "$log"
  target=$(mktemp -d)
  trap 'rm -rf "$target"' EXIT
  # shellcheck disable=SC2086  # names of packages, one a word
  if "$PYTHON" -m pip install --quiet --target "$target" ${WHEELS:+--no-index --find-links "$WHEELS"} $missing >>"$log" 2>&1; then
    export PYTHONPATH=$target:$PYTHONPATH
  else
    echo "they could not be installed${WHEELS:+ from $WHEELS}: give WHEELS=FOLDER with their wheels; numpy and numba must fit each other" | tee -a "$log"
  fi
fi

step versions 20 "${steps[@]}" versions
for math in fp32 3xtf32 tf32 bf16; do step "selftest-$math" 50 "${steps[@]}" selftest --math "$math"; done
step cases 80 "${steps[@]}" cases
with compute-sanitizer memcheck 45 compute-sanitizer --error-exitcode 86 --tool memcheck --log-file "$folder/memcheck.txt" "${steps[@]}" few --math 3xtf32
with compute-sanitizer racecheck 30 compute-sanitizer --error-exitcode 86 --tool racecheck --log-file "$folder/racecheck.txt" "${steps[@]}" few --shared
step bits 45 "${steps[@]}" bits
for math in fp32 3xtf32 tf32 bf16; do step "speed-$math" 20 "${steps[@]}" speed --math "$math"; done
step speed-3xtf32-apart 20 "${steps[@]}" speed --math 3xtf32 --no-fuse
for math in fp32 tf32; do step "speed-$math-im2col" 20 "${steps[@]}" speed --math "$math" --conv im2col; done
step products 15 "${steps[@]}" products
step memory 20 "${steps[@]}" memory
step torch 60 "${steps[@]}" torch
with ncu ncu 30 ncu --csv --set basic --kernel-name-base function --log-file "$folder/ncu.txt" \
  --kernel-name 'regex:^(lrn_forward|lrn_backward_relu_bias|pool_max_forward|pool_max_backward|conv_tiles|conv_weight_tiles)$' --launch-count 12 "${steps[@]}" once
step train 30 "${steps[@]}" train
step input 25 "${steps[@]}" input
"$PYTHON" tools/card_results.py "$folder" table | tee "$folder/table.txt"
