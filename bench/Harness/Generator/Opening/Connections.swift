/// Opens and keeps a run's connections: thousands at once, none of them waiting for another.
import CLinux
import Glibc

/// A connection that is meant to be.
struct ConnectionIntent {
    /// When it is meant to begin, in nanoseconds.
    var due: Int64
    /// Devices first, then viewers.
    var number: Int
    /// Whether it comes back after a storm.
    var isReturn = false
    var attempt = 0
    /// When this attempt may begin.
    var notBefore: Int64 = 0
}

final class Connections {
    /// Connections that are being opened at the same time. A server's queue is 4,096 here (somaxconn); beyond a few
    /// hundred only the waiting grows.
    static let underwayLimit = 256
    private static let timeout: Int64 = 10_000_000_000
    private static let attempts = 5

    let poller = Poller()
    private(set) var descriptors: [Int32]
    private(set) var openCount = 0
    /// The first connections, and those after a storm; each of devices and of viewers.
    private(set) var arrivals = (devices: ConnectionFigures(), viewers: ConnectionFigures())
    private(set) var returns = (devices: ConnectionFigures(), viewers: ConnectionFigures())
    private let devices: Int
    private var intents: [ConnectionIntent] = []
    private var head = 0
    private var retries: [ConnectionIntent] = []
    private var underway: [Int: Underway] = [:]
    private let begin: (Int) throws(BenchError) -> Opening
    private var lastLook: Int64 = 0

    private struct Underway {
        var opening: Opening
        var intent: ConnectionIntent
        var began: Int64
        var isShaken = false
        var isWatchedForRoom = true
    }

    /// `begin` begins to open the connection of that number; the first `devices` are devices'.
    init(devices: Int, viewers: Int, begin: @escaping (Int) throws(BenchError) -> Opening) {
        descriptors = Array(repeating: -1, count: devices + viewers)
        self.devices = devices
        self.begin = begin
    }

    /// Adds to what is meant to be, in the order of time.
    func add(_ more: [ConnectionIntent]) {
        intents = (intents[head...] + more).sorted { $0.due < $1.due }
        head = 0
    }

    /// Nothing more is begun.
    func forgetIntents() {
        intents = []
        head = 0
        retries = []
    }

    var isOpening: Bool { head < intents.count || !retries.isEmpty || !underway.isEmpty }
    func isUnderway(_ number: Int) -> Bool { descriptors[number] < 0 && underway[number] != nil }

    /// When the next connection is to be begun; `Int64.max` while none can.
    var nextDue: Int64 {
        guard underway.count < Self.underwayLimit else { return .max }
        let next = head < intents.count ? intents[head].due : .max
        return retries.reduce(next) { min($0, $1.notBefore) }
    }

    /// Begins one connection that is due. False where none is.
    func beginDue(at time: Int64) -> Bool {
        guard underway.count < Self.underwayLimit else { return false }
        var intent: ConnectionIntent
        if head < intents.count, intents[head].due <= time {
            intent = intents[head]
            head += 1
        } else if let index = retries.firstIndex(where: { $0.notBefore <= time }) {
            intent = retries.remove(at: index)
        } else {
            return false
        }
        guard descriptors[intent.number] < 0 else {
            // A storm that has not cut it yet.
            intent.notBefore = time + 10_000_000
            if intent.isReturn { retries.append(intent) }
            return true
        }
        intent.attempt += 1
        do throws(BenchError) {
            let opening = try begin(intent.number)
            underway[intent.number] = Underway(opening: opening, intent: intent, began: time)
            poller.add(opening.descriptor, number: intent.number, writable: true)
        } catch {
            failed(intent, error, at: time)
        }
        return true
    }

    /// Something has happened at a connection that is underway. True once it is open.
    func advance(_ number: Int, at time: Int64) -> Bool {
        guard var entry = underway[number] else { return false }
        do throws(BenchError) {
            let progress = try entry.opening.advance()
            if !entry.isShaken, entry.opening.finishedSteps > 0 || progress == .done {
                entry.isShaken = true
                update(entry.intent) { $0.handshake.record(nanoseconds: time - entry.intent.due) }
            }
            if progress == .done {
                underway[number] = nil
                descriptors[number] = entry.opening.descriptor
                openCount += 1
                poller.change(entry.opening.descriptor, number: number, writable: false)
                update(entry.intent) { $0.ready.record(nanoseconds: time - entry.intent.due) }
                return true
            }
            if entry.isWatchedForRoom != entry.opening.wantsToWrite {
                entry.isWatchedForRoom.toggle()
                poller.change(entry.opening.descriptor, number: number, writable: entry.isWatchedForRoom)
            }
            underway[number] = entry
        } catch {
            giveUp(entry, error, at: time)
        }
        return false
    }

    /// Closes what takes longer than ten seconds to open. Looks once a second.
    func expire(at time: Int64) {
        guard time - lastLook > 1_000_000_000 else { return }
        lastLook = time
        for entry in underway.values where time - entry.began > Self.timeout {
            giveUp(entry, BenchError("not open within 10 s"), at: time)
        }
    }

    /// Closes a connection, open or underway.
    func close(_ number: Int) {
        if let entry = underway.removeValue(forKey: number) { Glibc.close(entry.opening.descriptor) }
        guard descriptors[number] >= 0 else { return }
        Glibc.close(descriptors[number])
        descriptors[number] = -1
        openCount -= 1
    }

    func closeAll() {
        forgetIntents()
        for number in descriptors.indices { close(number) }
    }

    private func giveUp(_ entry: Underway, _ error: BenchError, at time: Int64) {
        underway[entry.intent.number] = nil
        Glibc.close(entry.opening.descriptor)
        failed(entry.intent, error, at: time)
    }

    /// Tries again after 0.1, 0.2, 0.4 and 0.8 s.
    private func failed(_ intent: ConnectionIntent, _ error: BenchError, at time: Int64) {
        update(intent) {
            $0.failures += 1
            $0.reason = error.description
            if intent.attempt >= Self.attempts { $0.givenUp += 1 }
        }
        guard intent.attempt < Self.attempts else { return }
        var again = intent
        again.notBefore = time + 50_000_000 << Int64(intent.attempt)
        retries.append(again)
    }

    private func update(_ intent: ConnectionIntent, _ body: (inout ConnectionFigures) -> Void) {
        switch (intent.isReturn, intent.number < devices) {
        case (false, true): body(&arrivals.devices)
        case (false, false): body(&arrivals.viewers)
        case (true, true): body(&returns.devices)
        case (true, false): body(&returns.viewers)
        }
    }

    /// Connections that are back after a storm, or given up.
    var returned: Int { returns.devices.finished + returns.viewers.finished }
}
