// Starts the simulator, or says in words why it cannot.
const fail = (error) => {
  document.documentElement.classList.add("failed");
  document.getElementById("sentence").textContent =
    `The simulator stopped: ${error?.message ?? error}. Reload the page; a browser from 2022 or later is needed.`;
};
try {
  const { default: start, run } = await import("./raft_web.js");
  await start();
  run();
  performance.mark("drawn");
} catch (error) {
  fail(error);
  throw error;
}
