/** Loaded into a process before its program: when it ends, its parent hears how much memory it had at most. */
process.on('exit', () => process.send?.({ peakMemoryMb: process.resourceUsage().maxRSS / 1024 }));
