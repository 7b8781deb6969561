// Counts running times on in the browser; without it the server's own number stands.
const words = (seconds) => {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  if (seconds < 86400) {
    const minutes = String(Math.floor((seconds % 3600) / 60)).padStart(2, "0");
    return `${Math.floor(seconds / 3600)} h ${minutes} min`;
  }
  return `${Math.floor(seconds / 86400)} d`;
};

const tick = () => {
  for (const part of document.querySelectorAll("time[data-elapsed]")) {
    const since = Date.parse(part.dataset.elapsed);
    if (!Number.isNaN(since)) {
      part.textContent = words(Math.max(0, Math.round((Date.now() - since) / 1000)));
    }
  }
};

setInterval(tick, 1000);
