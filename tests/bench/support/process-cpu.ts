/** What a process has used so far, read from outside: Linux /proc, or `ps` elsewhere. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Linux tells CPU in these whatever the kernel's own tick is (proc(5), sysconf _SC_CLK_TCK). */
const TICKS_A_SECOND = 100;
const KIB = 1_024;

/** User and system time of all threads, living and ended, seconds; good to 10 ms. */
export function cpuSecondsOf(pid: number): number {
  if (process.platform !== 'linux') return cpuSecondsByPs(pid);
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name in brackets may hold anything; behind it stand the fields from the third on.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
}

/** Resident memory, bytes. */
export function residentBytesOf(pid: number): number {
  if (process.platform !== 'linux') return Number(ps(pid, 'rss')) * KIB;
  return statusKib(pid, 'VmRSS') * KIB;
}

/** The most that was ever resident, bytes; where that cannot be had, what is resident now. */
export function peakResidentBytesOf(pid: number): number {
  return process.platform === 'linux' ? statusKib(pid, 'VmHWM') * KIB : residentBytesOf(pid);
}

function statusKib(pid: number, field: string): number {
  const match = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  if (match === null) throw new Error(`/proc/${pid}/status has no ${field}`);
  return Number(match[1]);
}

/** `ps` says [[days-]hours:]minutes:seconds. */
function cpuSecondsByPs(pid: number): number {
  const [time = '0', days = '0'] = ps(pid, 'time').split('-').reverse();
  return time.split(':').reduce((sum, part) => sum * 60 + Number(part), Number(days) * 24);
}

function ps(pid: number, field: string): string {
  return execFileSync('ps', ['-p', String(pid), '-o', `${field}=`], { encoding: 'utf8' }).trim();
}
