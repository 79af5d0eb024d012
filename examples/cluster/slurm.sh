#!/usr/bin/env bash
# A run on several nodes of a SLURM cluster: sbatch slurm.sh SPEC [options of fewcolors run]
# Every node sees this folder and the virtual environment under the same path. See docs/cluster-slurm.md.
#SBATCH --job-name=fewcolors
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --signal=B:TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
# with GPUs: #SBATCH --gpus-per-node=1

set -euo pipefail
(($#)) || { echo "usage: sbatch slurm.sh SPEC [options of fewcolors run]" >&2; exit 2; }

# Ray's ports are open to all users of the nodes: who has no token is turned away.
umask 077
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=${RAY_AUTH_TOKEN_PATH:-$HOME/.ray/auth_token}
if [[ ! -s $RAY_AUTH_TOKEN_PATH ]]; then
    mkdir -p "$(dirname "$RAY_AUTH_TOKEN_PATH")"
    python -c 'import secrets; print(secrets.token_hex(32), end="")' >"$RAY_AUTH_TOKEN_PATH"
fi

cpus=${SLURM_CPUS_PER_TASK:-1}
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes[0]}
# On some hosts their own name means 127.0.1.1, which is no address for the others.
addresses=$(srun --overlap --nodes=1 --ntasks=1 --nodelist="$head" \
    bash -c 'hostname --ip-address; hostname --all-ip-addresses')
address=$(tr ' ' '\n' <<<"$addresses" | awk '/^[0-9]+[.][0-9.]+$/ && !/^127[.]/ {print; exit}')
address=${address:-127.0.0.1}
port=$((20000 + SLURM_JOB_ID % 10000))  # two jobs may share a node
common=("--num-cpus=$cpus" "--temp-dir=/tmp/ray-$SLURM_JOB_ID" --disable-usage-stats --block)
if [[ -n ${SLURM_GPUS_ON_NODE:-} ]]; then common+=("--num-gpus=$SLURM_GPUS_ON_NODE"); fi
step=(srun --overlap "--cpus-per-task=$cpus" --ntasks-per-node=1)
# Ray gives itself 30 s to start, which a busy machine may not keep to; a node that was cut off joins again.
again=(bash -c 'for _ in 1 2 3; do "$@" && exit; sleep 5; done; exit 1' again)

"${step[@]}" --nodes=1 --ntasks=1 --nodelist="$head" "${again[@]}" \
    ray start --head --node-ip-address="$address" --port="$port" --include-dashboard=false "${common[@]}" &
ray=($!)
trap 'kill "${ray[@]}" 2>/dev/null || true; wait' EXIT

for _ in {1..120}; do
    if timeout 30 ray status --address="$address:$port" >/dev/null 2>&1; then break; fi
    kill -0 "${ray[0]}" 2>/dev/null || { echo "the head of the Ray cluster did not start" >&2; exit 1; }
    sleep 2
done

if ((${#nodes[@]} > 1)); then
    others=$(IFS=,; echo "${nodes[*]:1}")
    "${step[@]}" --nodes=$((${#nodes[@]} - 1)) --ntasks=$((${#nodes[@]} - 1)) --nodelist="$others" "${again[@]}" \
        ray start --address="$address:$port" "${common[@]}" &
    ray+=($!)
fi

# Two minutes before the time is up the run is told to stop. When the job is cancelled or preempted, SLURM ends Ray at
# once and the run with it. What is finished is kept either way: the same sbatch command goes on.
fewcolors run "$@" --address "$address:$port" &
run=$!
trap 'kill -TERM "$run" 2>/dev/null || true' TERM
code=0
wait "$run" || code=$?
if ((code > 128)); then wait "$run" && code=0 || code=$?; fi  # the signal only ended the wait
exit "$code"
