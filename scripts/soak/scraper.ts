/** Reads the metrics of a server every second, as Prometheus does, and counts how that went. */

const INTERVAL_MS = 1000;

/** A scraper that runs. */
export interface Scraper {
  /** Scrapes that were answered. */
  answered(): number;
  /** What was wrong with the others. */
  problems(): readonly string[];
  /** Ends scraping, once the last scrape is answered. */
  stop(): Promise<void>;
}

/** Starts to scrape a server. */
export function startScraping(url: string, adminSecret: string): Scraper {
  const headers = { authorization: `Bearer ${adminSecret}` };
  const problems: string[] = [];
  let answered = 0;
  let last = Promise.resolve();
  const scrape = async () => {
    try {
      const response = await fetch(`${url}/metrics`, { headers });
      const text = await response.text();
      if (response.status !== 200) throw new Error(`${response.status}: ${text}`);
      answered++;
    } catch (cause) {
      problems.push(`A scrape failed: ${cause}`);
    }
  };
  const timer = setInterval(() => last = last.then(scrape), INTERVAL_MS);
  return {
    answered: () => answered,
    problems: () => problems,
    async stop() {
      clearInterval(timer);
      await last;
    },
  };
}
