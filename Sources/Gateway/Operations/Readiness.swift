/// `/readyz`: fit for traffic while pings can be acknowledged, with what is degraded by name.
import Journal
import PostgresClient
import RedisClient
import Tracking
import WebServer

/// The gateway's state at this moment.
struct Readiness {
    /// What works less well than it should: part and reason.
    private(set) var degraded: [(part: String, reason: String)] = []
    /// Why pings cannot be acknowledged; nil where they can.
    private(set) var obstacle: String?

    init(_ gateway: Gateway) {
        let journal = gateway.pipeline.journal
        if !gateway.isAccepting {
            obstacle = "shutting down"
        } else if let failure = journal.failure {
            obstacle = "\(failure)"
        } else if !journal.hasRoom(records: 1, bytes: PingRecord.maximumBytes) {
            obstacle = journal.isFull ? "the journal's disk is full" : "the journal has reached its limit"
        }
        if let redis = gateway.redis, !redis.isReady {
            degraded.append(("redis", redis.lastError ?? "connecting to \(redis.display)"))
        }
        if let postgres = gateway.postgres, !postgres.isConnected {
            degraded.append(("postgres", postgres.lastError.map { "\($0)" } ?? "connecting"))
        }
        if let database = gateway.systemDatabase, !database.hearsChanges {
            let reason = database.isConnected ? "changes of its tables are not heard of" : "connecting"
            degraded.append(("platform_database", database.lastError.map { "\($0)" } ?? reason))
        }
        if let history = gateway.history, history.counters.state != .ready {
            switch history.counters.state {
            case .holding(let reason): degraded.append(("history", reason))
            default: degraded.append(("history", history.counters.lastError ?? "connecting"))
            }
        }
        for (name, job) in gateway.maintenance?.counters.all ?? [] {
            if let error = job.error { degraded.append(("maintenance_\(name)", error)) }
        }
        let outbox = gateway.orders.outbox?.counters.current
        if let error = outbox?.webhookError { degraded.append(("webhook", error)) }
        if let error = outbox?.writeError { degraded.append(("events", error)) }
        for (name, progress) in gateway.writes.all {
            if let error = progress.error { degraded.append(("write_\(name)", error)) }
        }
        if let problem = gateway.assets.problem { degraded.append(("map", problem)) }
    }

    func response() -> WebResponse {
        var writer = JSONWriter()
        writer.raw("{\"ready\":\(obstacle == nil)")
        if let obstacle {
            writer.raw(",\"obstacle\":")
            writer.string(obstacle)
        }
        writer.raw(",\"degraded\":{")
        for (offset, (part, reason)) in degraded.enumerated() {
            if offset > 0 { writer.raw(",") }
            writer.string(part)
            writer.raw(":")
            writer.string(reason)
        }
        writer.raw("}}")
        return WebResponse(
            status: obstacle == nil ? 200 : 503, type: "application/json", body: writer.bytes,
            headers: obstacle == nil ? [] : [("Retry-After", "1")])
    }
}
