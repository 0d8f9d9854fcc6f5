// Follows the event log: by WebSocket, else Server-Sent Events, else polling; a new transport goes on after the last cursor.

const OPEN_WAIT = 3000;
const SILENCE = 45_000; // the server says something at least every 20 s
const POLL_EVERY = 2000;
const POLL_WAIT = 10_000;
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 10_000;
const STEADY = 5000; // a transport that lived shorter has failed, or a socket closed at once would be opened for ever
const SOCKET_AGAIN = [1500, 15_000, 30_000, 60_000, 300_000];

export class Connection {
  /** `paths` has socket, stream and poll; `receive` gets events, `report` gets (transport or null, since or null, ended). */
  constructor({ paths, cursor, receive, report }) {
    Object.assign(this, { paths, cursor, receive, report });
    this.failures = { socket: 0, stream: 0, poll: 0 };
    this.socketTries = 0;
    this.socketTimer = 0;
    this.transport = null;
    this.lostAt = null;
  }

  start() {
    this.stopped = false;
    this.#openSocket();
  }

  stop() {
    this.stopped = true;
    this.#drop();
    this.#forgetProbe();
  }

  /** Try again at once: the tab is looked at again, or the network is back. */
  hurry() {
    if (this.stopped || this.transport) return;
    this.failures = { socket: 0, stream: 0, poll: 0 };
    this.#drop();
    this.#openSocket();
  }

  #drop() {
    this.close?.();
    this.close = null;
    for (const timer of [this.timer, this.silence]) clearTimeout(timer);
  }

  #address(path) {
    return `${path}?after=${encodeURIComponent(this.cursor)}`;
  }

  #message(text) {
    const message = JSON.parse(text);
    this.#heard();
    if (message.events?.length) this.receive(message.events);
    // The cursor moves only after the events were handed on: an error there reads them again.
    if (message.cursor) this.cursor = message.cursor;
  }

  #heard() {
    clearTimeout(this.silence);
    if (this.transport !== "polling") this.silence = setTimeout(() => this.lose(), SILENCE);
  }

  #on(transport) {
    this.transport = transport;
    this.lostAt = null;
    this.report(transport, null, false);
    this.#heard();
    if (transport === "socket") this.#forgetProbe();
    else this.#planSocket();
  }

  /** The present transport is gone: say since when, and try the next one. */
  lose() {
    if (this.stopped) return;
    this.#drop();
    this.lostAt ??= new Date();
    this.transport = null;
    this.report(null, this.lostAt, false);
    const { socket, stream, poll } = this.failures;
    if (socket < 2) this.#later(() => this.#openSocket(), socket);
    else if (stream < 2) this.#later(() => this.#openStream(), stream);
    else this.#later(() => this.#poll(), poll);
  }

  #later(act, failures) {
    clearTimeout(this.timer);
    const pause = failures === 0 ? 0 : Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (failures - 1));
    this.timer = setTimeout(act, pause * (0.75 + Math.random() / 2));
  }

  #end() {
    this.stop();
    this.report(null, new Date(), true);
  }

  // --- WebSocket ------------------------------------------------------------------------------------------------

  #openSocket() {
    const socket = new WebSocket(this.#address(this.paths.socket));
    let openedAt = Infinity;
    const fail = () => {
      if (this.close !== shut) return;
      this.#count("socket", openedAt);
      this.lose();
    };
    const shut = () => socket.close();
    this.close = shut;
    this.timer = setTimeout(() => {
      this.failures.socket = 2;
      fail();
    }, OPEN_WAIT);
    socket.onopen = () => {
      openedAt = performance.now();
      clearTimeout(this.timer);
      this.#on("socket");
    };
    socket.onmessage = (event) => this.close === shut && this.#message(event.data);
    socket.onclose = fail;
  }

  #count(transport, openedAt) {
    const isSteady = performance.now() - openedAt > STEADY;
    this.failures[transport] = isSteady ? 0 : this.failures[transport] + 1;
  }

  /** While another transport serves, try the socket again now and then, and change over only once it is open. */
  #planSocket() {
    if (this.socketTimer || this.probe) return;
    const wait = SOCKET_AGAIN[Math.min(this.socketTries, SOCKET_AGAIN.length - 1)];
    this.socketTimer = setTimeout(() => this.#probeSocket(), wait);
  }

  #forgetProbe() {
    clearTimeout(this.socketTimer);
    this.socketTimer = 0;
    this.socketTries = 0;
    const probe = this.probe;
    this.probe = null;
    probe?.close();
  }

  #probeSocket() {
    this.socketTimer = 0;
    this.socketTries += 1;
    const probe = (this.probe = new WebSocket(this.#address(this.paths.socket)));
    const giveUp = setTimeout(() => probe.close(), OPEN_WAIT);
    probe.onclose = () => {
      clearTimeout(giveUp);
      if (this.probe !== probe) return;
      this.probe = null;
      if (this.transport) this.#planSocket();
    };
    probe.onopen = () => {
      clearTimeout(giveUp);
      this.#forgetProbe();
      this.#drop();
      this.failures = { socket: 0, stream: 0, poll: 0 };
      this.#openSocket();
    };
  }

  // --- Server-Sent Events ---------------------------------------------------------------------------------------

  #openStream() {
    const stream = new EventSource(this.#address(this.paths.stream));
    let openedAt = Infinity;
    const shut = () => stream.close();
    this.close = shut;
    this.timer = setTimeout(() => stream.onerror(), OPEN_WAIT);
    stream.onmessage = (event) => {
      if (this.close !== shut) return;
      if (openedAt === Infinity) {
        openedAt = performance.now();
        clearTimeout(this.timer);
        this.#on("stream");
      }
      this.#message(event.data);
    };
    // The server ends each stream after a while, and the next one goes on: that is no loss.
    stream.onerror = () => {
      if (this.close !== shut) return;
      this.#count("stream", openedAt);
      if (this.failures.stream > 0) return this.lose();
      this.#drop();
      this.#openStream();
    };
  }

  // --- polling --------------------------------------------------------------------------------------------------

  async #poll() {
    const aborter = new AbortController();
    const shut = () => aborter.abort();
    this.close = shut;
    this.timer = setTimeout(shut, POLL_WAIT);
    try {
      const answer = await fetch(this.#address(this.paths.poll), { signal: aborter.signal, headers: { Accept: "application/json" } });
      if (answer.redirected || [401, 403, 404].includes(answer.status)) return this.#end();
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
      const text = await answer.text();
      if (this.close !== shut) return;
      this.failures.poll = 0;
      if (this.transport !== "polling") this.#on("polling");
      this.#message(text);
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.#poll(), POLL_EVERY);
    } catch {
      // No answer, or one that is no frame: the badge says since when, and the next try comes later each time.
      if (this.close !== shut) return;
      this.failures.poll += 1;
      this.lose();
    }
  }
}
