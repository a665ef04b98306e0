/// What a supervisor does: a state machine of the workers' lives, without processes, clock or chance.
///
/// Every method is an event and returns what is to be done about it, in that order. Times are monotonic milliseconds.

/// See the file's head.
struct WorkerPlan {
    /// What is to be done.
    enum Action: Equatable {
        /// Start the worker.
        case start(Int)
        /// Tell it to end in order, or end it at once.
        case terminate(Int)
        case kill(Int)
        /// Let a worker accept on a socket, or no longer.
        case accept(worker: Int, socket: Int)
        case leave(worker: Int, socket: Int)
        /// All are ready for the first time.
        case announce
        /// The worker ended without being told to and is started again in so many milliseconds.
        case tellRestart(worker: Int, milliseconds: Int64)
        /// All were replaced; or not, because this one did not start anew.
        case tellRolled
        case tellRollHalted(worker: Int)
        /// It cannot be done.
        case tellGivenUp(worker: Int)
        /// Everything has ended.
        case exit(Int32)
    }

    /// Where a worker is in its life.
    enum Phase: Equatable {
        /// To be started at that time.
        case waiting(until: Int64)
        case starting
        case ready(since: Int64)
        /// Told to end, or ending by itself.
        case stopping
        /// Not to be started any more.
        case over
    }

    /// The pause before a worker is started again: the first, and the longest.
    private static let shortestPause: Int64 = 100
    private static let longestPause: Int64 = 10_000
    /// Whoever has served so long has started well: the next pause is short again.
    private static let provenAfter: Int64 = 10_000
    /// How often one may fail before the first time that all are ready; then the mistake is one to be told.
    private static let firstAttempts = 6
    /// A worker ends within five seconds of being told to; whoever has not in this time is ended.
    private static let patience: Int64 = 12_000

    private(set) var phases: [Phase]
    /// Of each socket, who accepts on it.
    private(set) var acceptors: [Int?]
    /// How often each worker was started again without having been told to end.
    private(set) var restarts: [Int]
    private var failures: [Int]
    private var hasAnnounced = false
    /// Workers that are still to be replaced, and the one that is being.
    private var toRoll: [Int] = []
    private var rolling: Int?
    /// With which exit code the supervisor ends once all workers have; nil while it serves.
    private var endingCode: Int32?
    private var hasKilled = false
    /// When each worker that is being stopped is ended.
    private var stopDeadlines: [Int64]

    init(count: Int) {
        phases = Array(repeating: .waiting(until: .min), count: count)
        acceptors = Array(repeating: nil, count: count)
        restarts = Array(repeating: 0, count: count)
        failures = Array(repeating: 0, count: count)
        stopDeadlines = Array(repeating: .max, count: count)
    }

    private var count: Int { phases.count }

    /// Whether it is ending.
    var isEnding: Bool { endingCode != nil }

    /// When `tick` has something to do; nil while nothing is due.
    var nextDue: Int64? {
        var due: [Int64] = phases.compactMap { if case .waiting(let until) = $0 { until } else { nil } }
        due += stopDeadlines.filter { $0 != .max }
        return due.min()
    }

    // MARK: Events

    /// Time has passed: also the first event.
    mutating func tick(now: Int64) -> [Action] {
        var actions: [Action] = []
        for worker in 0..<count {
            if case .waiting(let until) = phases[worker], until <= now {
                phases[worker] = .starting
                actions.append(.start(worker))
            }
            if stopDeadlines[worker] <= now {
                stopDeadlines[worker] = .max
                if isEnding { endingCode = 1 }
                actions.append(.kill(worker))
            }
        }
        return actions
    }

    /// A worker can serve.
    mutating func ready(_ worker: Int, now: Int64) -> [Action] {
        guard phases[worker] == .starting else { return [] }
        phases[worker] = .ready(since: now)
        var actions = rebalance()
        if !hasAnnounced, phases.allSatisfy({ if case .ready = $0 { true } else { false } }) {
            hasAnnounced = true
            actions.append(.announce)
        }
        if rolling == worker {
            rolling = nil
            actions += roll(now: now)
        }
        return actions
    }

    /// A worker is ending by itself, and accepts nothing more.
    mutating func stopping(_ worker: Int, now: Int64) -> [Action] {
        switch phases[worker] {
        case .starting, .ready:
            forgive(worker, now: now)
            phases[worker] = .stopping
            stopDeadlines[worker] = now + Self.patience
            return rebalance()
        case .waiting, .stopping, .over: return []
        }
    }

    /// A worker's process has ended. `chance` is from 0 to 1.
    mutating func ended(_ worker: Int, _ exit: WorkerExit, now: Int64, chance: Double) -> [Action] {
        let before = phases[worker]
        stopDeadlines[worker] = .max
        if isEnding {
            phases[worker] = .over
            return finish()
        }
        forgive(worker, now: now)
        if rolling == worker, before == .stopping {
            phases[worker] = .starting
            return [.start(worker)]
        }
        let pause = min(Self.longestPause, Self.shortestPause << min(failures[worker], 10))
        failures[worker] += 1
        restarts[worker] += 1
        phases[worker] = .waiting(until: now + pause / 2 + Int64(chance * Double(pause / 2)))
        var actions = rebalance()
        if !hasAnnounced, failures[worker] >= Self.firstAttempts {
            actions.append(.tellGivenUp(worker: worker))
            return actions + end(now: now, code: exit == .code(0) ? 1 : exit.exitCode)
        }
        actions.append(.tellRestart(worker: worker, milliseconds: pause))
        if rolling == worker {
            // The others go on as they are: a configuration or a program that does not start stops nobody else.
            (rolling, toRoll) = (nil, [])
            actions.append(.tellRollHalted(worker: worker))
        }
        return actions
    }

    /// All are to be replaced, one after the other.
    mutating func roll(all now: Int64) -> [Action] {
        guard !isEnding, hasAnnounced else { return [] }
        // One that is being replaced may have been started before what is to be read was written.
        toRoll = Array(0..<count)
        return roll(now: now)
    }

    /// Everything is to end; the second time at once.
    mutating func terminate(now: Int64) -> [Action] {
        guard isEnding else { return end(now: now, code: 0) }
        guard !hasKilled else { return [] }
        hasKilled = true
        endingCode = 1
        return (0..<count).filter { phases[$0] != .over }.map { .kill($0) }
    }

    // MARK: Doing

    private mutating func forgive(_ worker: Int, now: Int64) {
        if case .ready(let since) = phases[worker], now - since >= Self.provenAfter { failures[worker] = 0 }
    }

    private mutating func end(now: Int64, code: Int32) -> [Action] {
        endingCode = code
        (rolling, toRoll) = (nil, [])
        var actions: [Action] = []
        for worker in 0..<count {
            switch phases[worker] {
            case .waiting: phases[worker] = .over
            case .starting, .ready:
                phases[worker] = .stopping
                stopDeadlines[worker] = now + Self.patience
                actions.append(.terminate(worker))
            case .stopping, .over: break
            }
        }
        acceptors = acceptors.map { _ in nil }
        return actions + finish()
    }

    private mutating func finish() -> [Action] {
        guard let endingCode, phases.allSatisfy({ $0 == .over }) else { return [] }
        return [.exit(endingCode)]
    }

    /// Goes on to the next worker that is to be replaced, where none is being.
    private mutating func roll(now: Int64) -> [Action] {
        guard rolling == nil else { return [] }
        guard !toRoll.isEmpty else { return [.tellRolled] }
        let worker = toRoll.removeFirst()
        rolling = worker
        switch phases[worker] {
        case .ready, .starting:
            phases[worker] = .stopping
            stopDeadlines[worker] = now + Self.patience
            return rebalance() + [.terminate(worker)]
        // It is started anew in any case.
        case .waiting, .stopping, .over: return []
        }
    }

    /// Each socket's own worker accepts on it while it is ready, else the next one that is.
    private mutating func rebalance() -> [Action] {
        var actions: [Action] = []
        for socket in 0..<count {
            let wanted = (0..<count).map { (socket + $0) % count }.first { isReady($0) }
            guard wanted != acceptors[socket] else { continue }
            // The new one first; who accepts no longer because it is ending need not be told.
            if let wanted { actions.append(.accept(worker: wanted, socket: socket)) }
            if let before = acceptors[socket], isReady(before) {
                actions.append(.leave(worker: before, socket: socket))
            }
            acceptors[socket] = wanted
        }
        return actions
    }

    private func isReady(_ worker: Int) -> Bool {
        if case .ready = phases[worker] { true } else { false }
    }
}

extension WorkerExit {
    /// As a shell says it: of a signal, 128 and its number.
    var exitCode: Int32 {
        switch self {
        case .code(let code): code
        case .signal(let number): 128 + number
        }
    }
}
