// Looks for a seed, in a worker beside the page, with the page's own module.
import start, { hunt } from "./raft_web.js";
onmessage = async ({ data }) => {
  const tell = (news) => postMessage(news);
  try {
    await start();
    hunt(data, tell);
  } catch (error) {
    tell(`stopped ${error?.message ?? error}`);
  }
};
