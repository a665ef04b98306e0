/// `/metrics`: Prometheus' text format, or the same samples as JSON lines, made when asked for. To add a metric, add a line
/// here, and say by `merge:` what it is of several workers where that is not their sum.
import EventLoop
import Journal
import PostgresClient
import RedisClient
import Synchronization
import Tracking
import WebServer

/// Renders all metrics.
struct Metrics {
    private let gateway: Gateway

    init(_ gateway: Gateway) {
        self.gateway = gateway
    }

    /// The whole page.
    func page(_ format: MetricsFormat) -> String {
        var page = MetricsPage(format, timestamp: Self.timestamp)
        ingest(&page)
        live(&page)
        journal(&page)
        if let history = gateway.history { self.history(history.counters, &page) }
        if let maintenance = gateway.maintenance { self.maintenance(maintenance.counters, &page) }
        orders(&page)
        stores(&page)
        platform(&page)
        return page.text
    }

    /// Now, as RFC 3339 has it.
    static var timestamp: String { Timestamp.string(SystemClock.wallMicroseconds()) }

    private func ingest(_ page: inout MetricsPage) {
        let counters = gateway.pipeline.counters
        page.counter("drover_pings_received_total", "Pings received, whatever became of them", counters.received)
        page.begin("drover_pings_total", "counter", "Pings by verdict")
        page.sample("drover_pings_total", "verdict=\"accepted\"", counters.accepted)
        page.sample("drover_pings_total", "verdict=\"late\"", counters.late)
        page.sample("drover_pings_total", "verdict=\"duplicate\"", counters.duplicate)
        let rejected = RejectionReason.allCases.reduce(0) { $0 + counters.rejected[Int($1.rawValue)] }
        page.sample("drover_pings_total", "verdict=\"rejected\"", rejected)
        page.begin("drover_pings_rejected_total", "counter", "Rejected pings by reason")
        for reason in RejectionReason.allCases {
            page.sample(
                "drover_pings_rejected_total", "reason=\"\(reason.name)\"", counters.rejected[Int(reason.rawValue)])
        }
        page.counter("drover_pings_clamped_total", "Kept pings whose speed was cut", counters.clamped)
        page.begin(
            "drover_rate_limited_total", "counter", "Requests, pings' frames and viewers' frames that were refused")
        for scope in RateLimits.Scope.allCases {
            page.sample("drover_rate_limited_total", "scope=\"\(scope)\"", gateway.limits.refusals[scope.rawValue])
        }
        page.histogram(
            "drover_ping_durable_seconds", "From receipt of a frame or request to its acknowledgement",
            gateway.acknowledgements.latency)
        page.gauge(
            "drover_acknowledgements_waiting", "Frames and requests that wait for the journal",
            gateway.acknowledgements.count)
        page.gauge(
            "drover_lane_bytes", "Bytes of devices' large frames and requests in the backlog lane", gateway.lane.bytes)
        page.gauge("drover_lane_waiting", "Frames and requests in it", gateway.lane.waiting)
        page.counter("drover_lane_pings_total", "Pings that were judged as backlog", gateway.lane.judgedPings)
        page.counter(
            "drover_lane_refused_total", "Frames and requests that the lane refused, to be sent again",
            gateway.lane.refusals)
        page.begin(
            "drover_devices_asked", "gauge",
            "Devices on WebSockets by the time between two reports that they were asked for")
        for (interval, count) in gateway.rates.told.sorted(by: { $0.key < $1.key }) {
            page.sample("drover_devices_asked", "interval_ms=\"\(interval)\"", count)
        }
    }

    private func live(_ page: inout MetricsPage) {
        let fanout = gateway.pipeline.fanout
        let counters = fanout.counters
        page.gauge("drover_drivers", "Drivers known to this process", fanout.driverCount)
        page.gauge("drover_connections", "Open connections, HTTP and WebSocket", gateway.server?.connectionCount ?? 0)
        page.gauge("drover_history_exports", "Exports of the past under way", gateway.downloads.count)
        page.gauge("drover_viewers", "Viewers that are logged in", counters.viewers)
        page.gauge("drover_subscriptions", "Drivers watched, summed over viewers", counters.subscriptions)
        page.counter(
            "drover_viewers_slow_closed_total", "Viewers closed with 4408 for reading too slowly",
            gateway.slowViewersClosed)
        page.counter("drover_viewer_writes_total", "Writes to viewers", counters.writes)
        page.counter("drover_viewer_positions_total", "Positions in those writes", counters.deliveries)
        page.counter(
            "drover_viewer_conflated_total", "Positions a viewer did not get because a newer one came first",
            counters.conflated)
        page.histogram(
            "drover_ping_viewer_seconds", "From receipt of a ping to the write that shows it", gateway.viewerLatency)
        let redis = gateway.pipeline.redis.counters
        page.counter("drover_redis_hashes_total", "Hashes written", redis.hashes)
        page.counter("drover_redis_published_total", "Positions published", redis.published)
        page.counter(
            "drover_redis_swept_total", "Drivers taken out of the GEO set", gateway.pipeline.redis.sweptCount)
        page.gauge(
            "drover_redis_unwritten", "Drivers whose hash waits to be written", gateway.pipeline.redis.unwrittenCount)
        page.counter(
            "drover_redis_newer_elsewhere_total", "Hashes left alone because another gateway's position is newer",
            redis.newerElsewhere)
        page.gauge(
            "drover_gateways", "Gateways known to share the Redis, this one included", gateway.company.count + 1,
            merge: .maximum)
        page.counter("drover_bus_positions_total", "Positions that came over the bus", gateway.busPositions)
        page.gauge(
            "drover_bus_cells", "Cells of the map that are listened to for the areas that are watched here",
            gateway.areaCells.count)
        page.counter(
            "drover_redis_cells_published_total", "Positions published on cells that other gateways listen to",
            gateway.pipeline.redis.cells.published)
        page.gauge(
            "drover_bus_drivers", "Drivers whose positions are listened to, since somebody here watches them",
            gateway.interest.count)
        page.counter(
            "drover_bus_interruptions_total", "Viewers told that positions may have been missed",
            gateway.interest.interruptions)
        page.counter("drover_redis_errors_total", "Error replies", gateway.redis?.errorReplies ?? 0)
    }

    private func journal(_ page: inout MetricsPage) {
        let journal = gateway.pipeline.journal
        let statistics = journal.statistics
        page.gauge("drover_journal_bytes", "Bytes of segment files", journal.sizeBytes)
        page.gauge(
            "drover_journal_limit_bytes", "Bytes beyond which pings are refused",
            gateway.configuration.journalLimitMiB << 20)
        page.gauge("drover_journal_pending_bytes", "Bytes in memory that are not durable yet", journal.pendingBytes)
        if let leftovers = gateway.leftovers {
            page.gauge(
                "drover_leftover_journals", "Journals of workers that are no longer configured, still to be written",
                leftovers.current.count)
        }
        page.gauge("drover_journal_appended_lsn", "Number of the newest record", Int(journal.appendedLSN))
        page.gauge("drover_journal_durable_lsn", "Number of the newest durable record", Int(journal.durableLSN))
        page.counter("drover_journal_flushes_total", "Groups written and synced", Int(statistics.flushes))
        page.histogram(
            "drover_journal_flush_seconds", "Time to write and sync a group", statistics.flushMicroseconds, scale: 1e6)
        page.histogram("drover_journal_group_records", "Records in a group", statistics.groupRecords, scale: 1)
    }

    private func history(_ counters: HistoryCounters, _ page: inout MetricsPage) {
        let committed = counters.lastCommittedLSN.load(ordering: .acquiring)
        page.begin("drover_history_rows_total", "counter", "Journal records by what became of them in Postgres")
        page.sample(
            "drover_history_rows_total", "outcome=\"inserted\"", Int(counters.rowsInserted.load(ordering: .relaxed)))
        page.sample(
            "drover_history_rows_total", "outcome=\"already_there\"",
            Int(counters.rowsAlreadyThere.load(ordering: .relaxed)))
        page.sample(
            "drover_history_rows_total", "outcome=\"dead_lettered\"",
            Int(counters.rowsDeadLettered.load(ordering: .relaxed)))
        page.counter(
            "drover_history_taken_back_total",
            "Committed records that Postgres no longer had after a fail-over: they are written again",
            Int(counters.recordsTakenBack.load(ordering: .relaxed)))
        page.counter(
            "drover_history_batches_total", "Transactions with rows", Int(counters.batches.load(ordering: .relaxed)))
        page.gauge("drover_history_committed_lsn", "Newest record that Postgres has", Int(committed))
        page.gauge(
            "drover_history_lag_records", "Durable records that Postgres does not have yet",
            Int(gateway.pipeline.journal.durableLSN) - Int(committed))
        page.gauge(
            "drover_history_commit_lag_seconds", "Age of the oldest ping of the last batch when it was committed",
            Double(counters.lastCommitLag.load(ordering: .relaxed)) / 1e6, merge: .maximum)
        page.gauge(
            "drover_history_ready", "1 while rows are being written", counters.state == .ready ? 1 : 0, merge: .minimum)
        page.begin("drover_history_batch_seconds", "histogram", "Duration of a transaction")
        var total: UInt64 = 0
        for (index, bound) in HistoryCounters.durationBounds.enumerated() {
            total += counters.durationBuckets[index].load(ordering: .relaxed)
            page.sample("drover_history_batch_seconds_bucket", "le=\"\(Double(bound) / 1_000)\"", Int(total))
        }
        total += counters.durationBuckets[HistoryCounters.durationBounds.count].load(ordering: .relaxed)
        page.sample("drover_history_batch_seconds_bucket", "le=\"+Inf\"", Int(total))
        page.sample("drover_history_batch_seconds_sum", "", Double(counters.durationSum.load(ordering: .relaxed)) / 1e6)
        page.sample("drover_history_batch_seconds_count", "", Int(total))
    }

    private func maintenance(_ counters: MaintenanceCounters, _ page: inout MetricsPage) {
        let jobs = counters.all
        page.gauge(
            "drover_maintenance_leader", "1 where this process does the maintenance of its schema",
            counters.leads ? 1 : 0, merge: .maximum)
        page.begin("drover_maintenance_runs_total", "counter", "Runs of a maintenance job")
        for (name, job) in jobs { page.sample("drover_maintenance_runs_total", "job=\"\(name)\"", job.runs) }
        page.begin("drover_maintenance_failures_total", "counter", "Runs that failed")
        for (name, job) in jobs { page.sample("drover_maintenance_failures_total", "job=\"\(name)\"", job.failures) }
        page.begin("drover_maintenance_failing", "gauge", "1 where the last run failed", merge: .maximum)
        for (name, job) in jobs {
            page.sample("drover_maintenance_failing", "job=\"\(name)\"", job.error == nil ? 0 : 1)
        }
        page.begin(
            "drover_maintenance_last_success_seconds", "gauge", "When the last good run ended; 0 before the first",
            merge: .maximum)
        for (name, job) in jobs {
            page.sample(
                "drover_maintenance_last_success_seconds", "job=\"\(name)\"", Double(job.lastSuccessAt) / 1e6)
        }
        page.begin("drover_maintenance_duration_seconds", "gauge", "Duration of the last good run", merge: .maximum)
        for (name, job) in jobs {
            page.sample("drover_maintenance_duration_seconds", "job=\"\(name)\"", Double(job.lastDuration) / 1e6)
        }
        if counters.leads { partitions(counters.partitions.current, &page) }
    }

    private func partitions(_ values: PartitionCounters.Values, _ page: inout MetricsPage) {
        page.gauge(
            "drover_partitions", "Days of the history at the last look, known to the leader", values.partitions,
            merge: .maximum)
        page.gauge(
            "drover_partitions_oldest_seconds", "When the oldest of them begins; 0 where there is none",
            Double(values.oldest ?? 0) / 1e6, merge: .maximum)
        page.gauge("drover_partitions_bytes", "Their size with indexes", values.bytes, merge: .maximum)
        page.counter("drover_partitions_dropped_total", "Days dropped", values.partitionsDropped)
        page.counter("drover_archives_written_total", "Archives written and verified", values.archivesWritten)
        page.counter("drover_archives_rows_total", "Rows in them", values.archivedRows)
        page.counter("drover_archives_bytes_total", "Their size", values.archivedBytes)
        page.counter(
            "drover_archives_deleted_total", "Archives deleted at the end of their life", values.archivesDeleted)
    }

    private func orders(_ page: inout MetricsPage) {
        page.gauge(
            "drover_orders_followed", "Drivers who carry an order that is followed here", gateway.arrivals.carrying)
        guard let values = gateway.orders.outbox?.counters.current else { return }
        page.counter("drover_webhook_delivered_total", "Events that the webhook's receiver took", values.delivered)
        page.counter("drover_webhook_failures_total", "Attempts to post an event that failed", values.failures)
        page.counter("drover_webhook_given_up_total", "Events given up after three days", values.givenUp)
        page.gauge(
            "drover_webhook_waiting", "Events that are to be posted, of all gateways", values.waiting, merge: .maximum)
        page.gauge("drover_webhook_oldest_seconds", "Age of the oldest of them", values.oldestSeconds, merge: .maximum)
        page.counter("drover_events_written_total", "Events written into the platform's tables", values.written)
        page.counter("drover_events_write_failures_total", "Attempts to write them that failed", values.writeFailures)
    }

    private func platform(_ page: inout MetricsPage) {
        page.gauge(
            "drover_drivers_on_shift", "Drivers whose shifts are asked for, on shift now", gateway.shifts.onShift)
        page.counter(
            "drover_shifts_ended_total", "Drivers that went off the map with their shift", gateway.shifts.ended)
        let writes = gateway.writes.all
        page.begin(
            "drover_platform_writes_total", "counter", "Runs of statements that write into the platform's tables")
        for (name, write) in writes { page.sample("drover_platform_writes_total", "write=\"\(name)\"", write.runs) }
        page.begin("drover_platform_write_failures_total", "counter", "Runs that failed")
        for (name, write) in writes {
            page.sample("drover_platform_write_failures_total", "write=\"\(name)\"", write.failures)
        }
        page.begin("drover_platform_write_rows_total", "counter", "Rows that were written")
        for (name, write) in writes { page.sample("drover_platform_write_rows_total", "write=\"\(name)\"", write.rows) }
        page.counter(
            "drover_platform_seen_dropped_total", "Devices that the platform was not told of because too many waited",
            gateway.writes.seen?.dropped ?? 0)
        page.begin("drover_platform_write_refused_total", "counter", "Rows that the platform's tables refuse")
        for (name, write) in writes {
            page.sample("drover_platform_write_refused_total", "write=\"\(name)\"", write.refused)
        }
    }

    private func stores(_ page: inout MetricsPage) {
        page.gauge("drover_redis_up", "1 while Redis answers", gateway.redis?.isReady == true ? 1 : 0, merge: .minimum)
        page.gauge(
            "drover_postgres_up", "1 while Postgres answers", gateway.postgres?.isConnected == true ? 1 : 0,
            merge: .minimum)
        page.counter(
            "drover_driver_sessions_rows_total", "Rows of driver_sessions written", gateway.driverSessions.rowsWritten)
        page.counter(
            "drover_driver_sessions_forgotten_total", "Devices not remembered because there were too many",
            gateway.driverSessions.forgotten)
        if let watching = gateway.watching {
            page.begin("drover_watched_rows_total", "counter", "Rows of who watched what, by what became of them")
            page.sample("drover_watched_rows_total", "outcome=\"written\"", watching.written)
            page.sample("drover_watched_rows_total", "outcome=\"refused\"", watching.refused)
            page.sample("drover_watched_rows_total", "outcome=\"dropped\"", watching.dropped)
            page.gauge("drover_watched_rows_waiting", "Rows that are to be written", watching.waiting)
        }
        page.gauge(
            "drover_erasures_open", "Erasures under way, as this process knows", gateway.erasures.count, merge: .maximum
        )
        page.counter(
            "drover_erasures_finished_total", "Erasures whose end this process saw", gateway.erasures.finished)
        page.gauge(
            "drover_ready", "1 while pings can be acknowledged", Readiness(gateway).obstacle == nil ? 1 : 0,
            merge: .minimum)
        page.gauge(
            "drover_start_time_seconds", "When the process began", Double(gateway.startedAt) / 1e6, merge: .maximum)
    }
}
