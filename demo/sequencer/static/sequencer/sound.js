/** Play a composition with six instruments, which are made of oscillators and noise. */

const AHEAD = 0.12; // seconds to schedule in advance, because timers are not exact

export class Player {
  #audio;
  #timer;
  #read;
  #onStep;

  /** `read()` returns {tempo, tracks} and is called for each step. `onStep` gets a step or null. */
  constructor(read, onStep) {
    this.#read = read;
    this.#onStep = onStep;
  }

  get playing() {
    return this.#timer !== undefined;
  }

  toggle() {
    return this.playing ? this.#stop() : this.#start();
  }

  #start() {
    this.#audio ??= new AudioContext();
    this.#audio.resume();
    let step = 0;
    let at = this.#audio.currentTime + 0.05;
    this.#timer = setInterval(() => {
      while (at < this.#audio.currentTime + AHEAD) {
        const { tempo, tracks } = this.#read();
        for (const track of tracks) if (track.steps[step]) this.#play(track, at);
        const now = step;
        setTimeout(() => this.playing && this.#onStep(now), (at - this.#audio.currentTime) * 1000);
        at += 60 / tempo / 4;
        step = (step + 1) % 16;
      }
    }, 25);
  }

  #stop() {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#onStep(null);
  }

  #play({ name, id }, at) {
    const instruments = Object.values(INSTRUMENTS);
    const play = INSTRUMENTS[name.toLowerCase()] ?? instruments[id % instruments.length];
    play(this.#audio, at);
  }
}

const INSTRUMENTS = {
  kick: (audio, at) => tone(audio, at, { from: 150, to: 42, length: 0.32, volume: 0.9 }),
  snare: (audio, at) => {
    noise(audio, at, { type: "highpass", frequency: 1400, length: 0.16, volume: 0.35 });
    tone(audio, at, { from: 220, to: 160, length: 0.1, volume: 0.3 });
  },
  hat: (audio, at) => noise(audio, at, { type: "highpass", frequency: 7500, length: 0.05, volume: 0.22 }),
  clap: (audio, at) => {
    for (const delay of [0, 0.012, 0.026]) noise(audio, at + delay, { type: "bandpass", frequency: 1500, length: 0.09, volume: 0.3 });
  },
  bass: (audio, at) => tone(audio, at, { from: 65.4, to: 65.4, length: 0.24, volume: 0.5, type: "triangle" }),
  bell: (audio, at) => {
    tone(audio, at, { from: 784, to: 784, length: 0.7, volume: 0.14 });
    tone(audio, at, { from: 1976, to: 1976, length: 0.4, volume: 0.06 });
  },
};

function tone(audio, at, { from, to, length, volume, type = "sine" }) {
  const source = new OscillatorNode(audio, { type, frequency: from });
  source.frequency.exponentialRampToValueAtTime(to, at + length / 2);
  source.connect(fadeOut(audio, at, length, volume));
  source.start(at);
  source.stop(at + length);
}

function noise(audio, at, { type, frequency, length, volume }) {
  const buffer = audio.createBuffer(1, audio.sampleRate * length, audio.sampleRate);
  buffer.getChannelData(0).forEach((_, index, data) => (data[index] = Math.random() * 2 - 1));
  const source = new AudioBufferSourceNode(audio, { buffer });
  source.connect(new BiquadFilterNode(audio, { type, frequency })).connect(fadeOut(audio, at, length, volume));
  source.start(at);
}

function fadeOut(audio, at, length, volume) {
  const gain = new GainNode(audio, { gain: volume });
  gain.gain.setValueAtTime(volume, at);
  gain.gain.exponentialRampToValueAtTime(0.001, at + length);
  gain.connect(audio.destination);
  return gain;
}
