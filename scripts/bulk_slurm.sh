#!/usr/bin/env bash
#SBATCH --job-name=labgen-bulk
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-task=8
#SBATCH --mem=64G
#SBATCH --time=12:00:00
#SBATCH --output=%x-%A_%a.log
# Answers the batch files of a folder on a Slurm cluster, each with `vllm run-batch`:
#
#     labgen bulk write ROUND
#     sbatch --array=0-7 scripts/bulk_slurm.sh ROUND --model mistralai/Mixtral-8x7B-Instruct-v0.1
#     labgen bulk read ROUND/replies/*.jsonl
#
# The tasks of the array share the files of ROUND, however many there are of either. What follows ROUND goes to the
# runner. Options of sbatch before the script's name replace those above. RUNNER is another command that takes `-i` and
# `-o`; what it needs before (modules, an environment) belongs into the file that PROLOGUE names.
#
# A file of replies gets its name once it has a line for each request, so one that is there is whole, and a task that
# runs again, by hand or requeued, leaves it alone.
set -uo pipefail
shopt -s nullglob

round=${1:?the folder that "labgen bulk write" wrote}
shift
runner=${RUNNER:-vllm run-batch}
if [ -n "${PROLOGUE:-}" ]; then
  # shellcheck source=/dev/null
  . "$PROLOGUE" || exit
fi
first=$((${SLURM_ARRAY_TASK_ID:-0} - ${SLURM_ARRAY_TASK_MIN:-0}))
tasks=${SLURM_ARRAY_TASK_COUNT:-1}
files=("$round"/*.jsonl)
if [ ${#files[@]} -eq 0 ]; then
  echo "$round: no *.jsonl here. Run: labgen bulk write $round" >&2
  exit 2
fi
mkdir -p "$round/replies" || exit

failed=0
for ((number = first; number < ${#files[@]}; number += tasks)); do
  name=$(basename "${files[number]}" .jsonl)
  whole=$round/replies/$name.jsonl
  half=$round/replies/$name.${SLURM_JOB_ID:-0}.half
  if [ -e "$whole" ]; then
    echo "$name: answered already"
    continue
  fi
  # The runner's name and options are several words.
  # shellcheck disable=SC2086
  $runner -i "${files[number]}" -o "$half" "$@"
  status=$?
  asked=$(grep -c . "${files[number]}")
  got=$(grep -c '}[[:space:]]*$' "$half" 2>/dev/null)
  if [ $status -eq 0 ] && [ "${got:-0}" -eq "$asked" ]; then
    mv "$half" "$whole" && continue
  fi
  failed=1
  echo "$name: status $status, ${got:-0} of $asked lines. Submit again for the rest; \"labgen bulk read $half\" takes" \
    "what is there." >&2
done
exit $failed
