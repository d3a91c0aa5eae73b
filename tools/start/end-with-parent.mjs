// Preloaded into each app: when `npm start` is killed, the apps must not go on without it. They all end at once, as in
// a crash: one that stopped in order would wait for another that is gone, and be in the way of the next start.
process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'));
process.channel?.unref();
