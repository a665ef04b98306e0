/// Brings drivers that are new to this process into the pipeline, with what the stores remember of them: after a
/// restart "newest" comes from the journal (read before the loop starts), else the hash, else Postgres, and always
/// before a driver's first ping is judged.
import EventLoop
import PostgresClient
import RedisClient
import Tracking

/// See the file's head. Lives on the loop's thread.
final class DriverDirectory {
    /// Drivers looked up in one question.
    private static let batch = 500

    private unowned let pipeline: Pipeline
    private let postgres: PostgresQuestions?
    private let schema: String
    private let key: KeyTemplate
    private let hash: HashReader
    private let redis: () -> RedisStore?
    /// What is being erased, which the stores may still have.
    private let erasures: () -> ErasureWatch?
    /// Whose shifts must be known before anything is shown.
    private let shifts: () -> ShiftWatch?
    /// Ids being looked up or waiting for it, in order.
    private var wanted: [DriverID] = []
    private var isWanted: Set<DriverID> = []
    private var waiters: [(missing: Int, then: () -> Void)?] = []
    private var waitersByDriver: [DriverID: [Int]] = [:]
    private var isLooking = false
    /// What is being asked for now, and of it what is to be asked for once more.
    private var asked: Set<DriverID> = []
    private var again: Set<DriverID> = []

    /// `postgres` is nil where no history is kept.
    init(
        pipeline: Pipeline, postgres: PostgresQuestions?, configuration: Configuration,
        redis: @escaping () -> RedisStore?, erasures: @escaping () -> ErasureWatch?,
        shifts: @escaping () -> ShiftWatch?
    ) {
        self.pipeline = pipeline
        self.postgres = postgres
        self.redis = redis
        self.erasures = erasures
        self.shifts = shifts
        schema = quotedIdentifier(configuration.historySchemaName)
        key = KeyTemplate(configuration.redisLocationKey)
        hash = HashReader(configuration.hashLayout, accuracyLimit: configuration.judgeAccuracyBelowMetres)
    }

    /// Calls `then` once all `ids` are in the pipeline: at once where they are.
    func load(_ ids: [DriverID], then: @escaping () -> Void) {
        lookUp(Set(ids.filter { pipeline.drivers.index(of: $0) == nil }), then)
    }

    /// Calls `then` once all `ids` are in the pipeline, and no more than so many seconds behind what other gateways know of
    /// them, as far as the hashes have it: at once where they are.
    func refresh(
        _ ids: [DriverID], within seconds: Int32 = Recency.freshness, then: @escaping () -> Void
    ) {
        let outdated = ids.filter { id in
            guard let driver = pipeline.drivers.index(of: id) else { return true }
            return !pipeline.recency.isCurrent(driver, within: seconds)
        }
        lookUp(Set(outdated), then)
    }

    /// Reads the hashes of drivers as they are from now on: an answer that is under way may tell of before.
    func reread(_ ids: [DriverID], then: @escaping () -> Void = {}) {
        again.formUnion(ids.filter { asked.contains($0) })
        lookUp(Set(ids), then)
    }

    private func lookUp(_ missing: Set<DriverID>, _ then: @escaping () -> Void) {
        if missing.isEmpty { return then() }
        let waiter = waiters.firstIndex { $0 == nil } ?? waiters.count
        if waiter == waiters.count { waiters.append(nil) }
        waiters[waiter] = (missing.count, then)
        for id in missing {
            waitersByDriver[id, default: []].append(waiter)
            if isWanted.insert(id).inserted { wanted.append(id) }
        }
        lookUpNext()
    }

    private func lookUpNext() {
        guard !isLooking, !wanted.isEmpty else { return }
        isLooking = true
        let ids = Array(wanted.prefix(Self.batch))
        wanted.removeFirst(ids.count)
        asked = Set(ids)
        lookInRedis(ids) { [weak self] found in
            guard let self else { return }
            let rest = ids.filter { found[$0] == nil && self.pipeline.drivers.index(of: $0) == nil }
            lookInPostgres(rest) { [weak self] past in self?.finish(ids, found, past) }
        }
    }

    private func finish(_ ids: [DriverID], _ found: [DriverID: Position], _ past: [DriverID: [Position]]) {
        var ready: [() -> Void] = []
        let erasures = erasures()
        let now = SystemClock.wallMicroseconds()
        for id in ids {
            let isNew = pipeline.drivers.index(of: id) == nil
            let driver = pipeline.addDriver(id)
            pipeline.recency.heard(driver)
            if let position = found[id], erasures?.hidesAll(of: id) != true {
                if isNew {
                    pipeline.restore(hashed: position, of: driver)
                } else {
                    pipeline.follow(hashed: position, of: driver, now: now)
                }
            }
            // Oldest first, so that the judge's ring ends with the newest.
            for position in past[id]?.reversed() ?? [] where erasures?.hides(position, of: id) != true {
                pipeline.recall(position, isLate: false, of: driver)
            }
            isWanted.remove(id)
            for waiter in waitersByDriver.removeValue(forKey: id) ?? [] {
                waiters[waiter]?.missing -= 1
                if waiters[waiter]?.missing == 0, let then = waiters[waiter]?.then {
                    waiters[waiter] = nil
                    ready.append(then)
                }
            }
        }
        isLooking = false
        asked = []
        let once = again
        again = []
        // Where they cannot be asked for, nothing of the drivers is shown, and no ping of theirs is judged.
        if let shifts = shifts() {
            shifts.load(ids) { _ in for then in ready { then() } }
        } else {
            for then in ready { then() }
        }
        lookUp(once) {}
        lookUpNext()
    }

    // MARK: The hash

    private func lookInRedis(_ ids: [DriverID], then: @escaping ([DriverID: Position]) -> Void) {
        guard hash.isReadable, let redis = redis(), redis.isReady else { return then([:]) }
        var found: [DriverID: Position] = [:]
        var left = ids.count
        for id in ids {
            redis.send(["HMGET", key.string(for: id)] + hash.names) { [hash] reply in
                if let values = reply.elements?.map(\.text), let position = hash.position(values) {
                    found[id] = position
                }
                left -= 1
                if left == 0 { then(found) }
            }
        }
    }

    // MARK: History

    private func lookInPostgres(_ ids: [DriverID], then: @escaping ([DriverID: [Position]]) -> Void) {
        guard let postgres, postgres.isConnected, !ids.isEmpty else { return then([:]) }
        let sql = """
            SELECT d.id, (extract(epoch FROM e.recorded_at) * 1000000)::bigint,
                (extract(epoch FROM e.received_at) * 1000000)::bigint,
                round(e.lat * 10000000)::bigint, round(e.lng * 10000000)::bigint, e.accuracy, e.speed, e.heading
            FROM unnest($1::text[]) d(id) CROSS JOIN LATERAL (
                SELECT * FROM \(schema).driver_location_events WHERE driver_id = d.id
                ORDER BY recorded_at DESC LIMIT \(Judge.remembered)) e
            """
        // Driver ids hold no character that an array literal would have to escape.
        let list = "{\(ids.map(\.string).joined(separator: ","))}"
        let asked = postgres.ask(sql, [list], deadlineMilliseconds: 5_000) { answer in
            var past: [DriverID: [Position]] = [:]
            if case .success(let rows) = answer {
                for row in 0..<rows.count {
                    guard let id = rows.text(row, 0).flatMap({ DriverID($0) }), let position = Position(rows, row)
                    else { continue }
                    past[id, default: []].append(position)
                }
            }
            then(past)
        }
        if !asked { then([:]) }
    }
}

extension Position {
    /// A position from a row of history.
    fileprivate init?(_ rows: PostgresRows, _ row: Int) {
        guard let recordedAt = rows.integer(row, 1), let receivedAt = rows.integer(row, 2),
            let latitude = rows.integer(row, 3), let longitude = rows.integer(row, 4),
            let accuracy = rows.text(row, 5).flatMap(Float.init)
        else { return nil }
        self.init(
            recordedAt: recordedAt, receivedAt: receivedAt, latitude: Int32(clamping: latitude),
            longitude: Int32(clamping: longitude), accuracy: accuracy, speed: rows.text(row, 6).flatMap(Float.init),
            heading: rows.text(row, 7).flatMap(Float.init))
    }
}
