#!/usr/bin/env bash
# slurm.sh start FOLDER: a batch system of one node, this machine, whose state is in the folder
# slurm.sh stop FOLDER:  ends it and the jobs that still run
set -euo pipefail
action=$1
folder=$(realpath "$2")
[ "$(id -u)" -eq 0 ] || exec sudo "$0" "$action" "$folder"

# Jobs look for it here and nowhere else: Snakemake's executor drops SLURM_CONF from their environment.
conf=/etc/slurm/slurm.conf

start() {
    if pgrep --exact slurmctld > /dev/null || pgrep --exact slurmd > /dev/null; then
        echo "No SLURM must run on this machine. Found slurmctld or slurmd: stop them first." >&2
        exit 1
    fi
    mkdir --parents "$folder"/{state,spool,before}
    [ ! -e "$conf" ] || mv "$conf" "$folder/before/"
    head --bytes 64 /dev/urandom > "$folder/munge.key"
    chmod 600 "$folder/munge.key"
    # A socket of its own, so that a munged that the machine already runs is left alone; forced, since the folder is private.
    munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" \
        --pid-file="$folder/munged.pid" --log-file="$folder/munged.log" --seed-file="$folder/munge.seed"
    settings > "$conf"
    slurmctld
    slurmd
    # A node is idle as soon as the controller has heard of it.
    for _ in $(seq 100); do
        [ "$(sinfo --noheader --format=%T)" != idle ] || return 0
        sleep 0.2
    done
    echo "The node must be idle after 20 seconds. Found $(sinfo --noheader --format=%T); see $folder/*.log." >&2
    exit 1
}

settings() {
    local host
    host=$(hostname --short)
    cat <<- END
		ClusterName=test
		SlurmctldHost=$host(127.0.0.1)
		SlurmUser=root
		SlurmctldPort=16817
		SlurmdPort=16818
		CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
		AuthType=auth/munge
		AuthInfo=socket=$folder/munge.socket
		StateSaveLocation=$folder/state
		SlurmdSpoolDir=$folder/spool
		SlurmctldPidFile=$folder/slurmctld.pid
		SlurmdPidFile=$folder/slurmd.pid
		SlurmctldLogFile=$folder/slurmctld.log
		SlurmdLogFile=$folder/slurmd.log
		# No control groups, accounts or MPI: a container has none of them.
		ProctrackType=proctrack/linuxproc
		TaskPlugin=task/none
		JobAcctGatherType=jobacct_gather/none
		AccountingStorageType=accounting_storage/none
		MpiDefault=none
		# Two jobs for each core, as a job first waits for its own start.
		SelectType=select/cons_tres
		SelectTypeParameters=CR_CPU_Memory
		SlurmdParameters=config_overrides
		SchedulerParameters=sched_interval=2,sched_min_interval=0,batch_sched_delay=0
		NodeName=$host NodeAddr=127.0.0.1 CPUs=$((2 * $(nproc))) RealMemory=16000 State=UNKNOWN
		PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP
	END
}

stop() {
    # Nothing was started, if the settings are another cluster's.
    grep --quiet --no-messages --fixed-strings "$folder/state" "$conf" || return 0
    scancel --partition=main 2> /dev/null || true
    for _ in $(seq 100); do
        [ -n "$(squeue --noheader 2> /dev/null)" ] || break
        sleep 0.1
    done
    for daemon in slurmd slurmctld munged; do
        end "$folder/$daemon.pid"
    done
    rm --force "$conf"
    [ ! -e "$folder/before/slurm.conf" ] || mv "$folder/before/slurm.conf" "$conf"
}

# Waits until the process is gone: its ports are then free for the next start.
end() {
    [ -e "$1" ] || return 0
    local pid
    pid=$(cat "$1")
    kill "$pid" 2> /dev/null || return 0
    for _ in $(seq 100); do
        kill -0 "$pid" 2> /dev/null || return 0
        sleep 0.1
    done
    kill -KILL "$pid"
}

"$action"
