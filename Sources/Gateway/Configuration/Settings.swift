/// The table of settings: name, range, unit and meaning, one line each. The environment variable is the name in
/// capitals with `DROVER_` before it and `_` for `.`.

/// One setting.
struct Setting {
    let name: String
    /// The unit, for the documentation; empty for text.
    let unit: String
    let meaning: String
    /// Takes the setting's text; throws what is expected instead.
    let apply: (inout Configuration, String) throws(SettingError) -> Void
    /// The value as it is written in YAML.
    let show: (Configuration) -> String

    var environmentVariable: String {
        "DROVER_" + name.uppercased().map { $0 == "." ? "_" : String($0) }.joined()
    }

    static func text(_ name: String, _ path: WritableKeyPath<Configuration, String>, _ meaning: String) -> Setting {
        Setting(
            name: name, unit: "", meaning: meaning,
            apply: { (configuration, value) throws(SettingError) in configuration[keyPath: path] = value },
            show: { "\"\($0[keyPath: path])\"" })
    }

    static func integer(
        _ name: String, _ path: WritableKeyPath<Configuration, Int>, _ range: ClosedRange<Int>, _ unit: String,
        _ meaning: String
    ) -> Setting {
        Setting(
            name: name, unit: unit, meaning: meaning,
            apply: { (configuration, value) throws(SettingError) in
                guard let number = Int(value), range.contains(number) else {
                    throw SettingError("a whole number from \(range.lowerBound) to \(range.upperBound) (\(unit))")
                }
                configuration[keyPath: path] = number
            },
            show: { String($0[keyPath: path]) })
    }

    static func number(
        _ name: String, _ path: WritableKeyPath<Configuration, Double>, _ range: ClosedRange<Double>, _ unit: String,
        _ meaning: String
    ) -> Setting {
        Setting(
            name: name, unit: unit, meaning: meaning,
            apply: { (configuration, value) throws(SettingError) in
                guard let number = Double(value), range.contains(number) else {
                    throw SettingError("a number from \(range.lowerBound) to \(range.upperBound) (\(unit))")
                }
                configuration[keyPath: path] = number
            },
            show: { String($0[keyPath: path]) })
    }

    static func choice(
        _ name: String, _ path: WritableKeyPath<Configuration, String>, _ words: [String], _ meaning: String
    ) -> Setting {
        Setting(
            name: name, unit: "", meaning: meaning,
            apply: { (configuration, value) throws(SettingError) in
                guard words.contains(value) else {
                    throw SettingError("one of \(words.joined(separator: ", "))")
                }
                configuration[keyPath: path] = value
            },
            show: { "\"\($0[keyPath: path])\"" })
    }

    static func flag(_ name: String, _ path: WritableKeyPath<Configuration, Bool>, _ meaning: String) -> Setting {
        Setting(
            name: name, unit: "", meaning: meaning,
            apply: { (configuration, value) throws(SettingError) in
                switch value.lowercased() {
                case "true", "yes", "on", "1": configuration[keyPath: path] = true
                case "false", "no", "off", "0": configuration[keyPath: path] = false
                default: throw SettingError("true or false")
                }
            },
            show: { String($0[keyPath: path]) })
    }
}

/// What a setting expected instead of what it was given.
struct SettingError: Error {
    let expectation: String

    init(_ expectation: String) {
        self.expectation = expectation
    }
}

/// All settings, in the order of `config/drover.yaml`.
enum Settings {
    static func all() -> [Setting] {
        [
            .text("listen", \.listen, "address and port of HTTP and WebSocket"),
            .text("workers", \.workers, "processes that serve it, or auto"),
            .text(
                "redis.url", \.redisURL,
                "redis://[user:password@]host[:port][/database] or unix:///path[?db=number]"),
            .text("redis.location_key", \.redisLocationKey, "hash of a driver's newest position"),
            .text("redis.location_channel", \.redisLocationChannel, "channel its positions are published on"),
            .choice(
                "redis.pubsub", \.redisPubsub, ["plain", "sharded"],
                "how gateways and others hear: PUBLISH, or SPUBLISH within the shards of a cluster"),
            .text("redis.location_fields", \.redisLocationFields, "what the hash holds, as a field layout"),
            .text("redis.geo_key", \.redisGeoKey, "GEO set of all drivers that are not offline"),
            .text("redis.eta_key", \.redisETAKey, "sorted set of a user's orders by arrival; empty writes none"),
            .integer(
                "redis.location_ttl_s", \.redisLocationTTLSeconds, 1...86_400, "s",
                "life of a hash after it was written"),
            .integer(
                "redis.write_interval_ms", \.redisWriteIntervalMilliseconds, 20...10_000, "ms",
                "least time between two writes of hashes"),
            .text("postgres.url", \.postgresURL, "as libpq reads it"),
            .text(
                "postgres.direct_url", \.postgresDirectURL,
                "for migrations and partitions beside a transaction-mode pool"),
            .text("postgres.schema", \.postgresSchema, "schema of Drover's tables"),
            .text("journal.directory", \.journalDirectory, "where pings are durable and wait for Postgres"),
            .integer(
                "journal.limit_mib", \.journalLimitMiB, 1...4_194_304, "MiB", "beyond this, new pings are refused"),
            .integer("journal.segment_mib", \.journalSegmentMiB, 1...256, "MiB", "size of one file"),
            .integer(
                "journal.group_ms", \.journalGroupMilliseconds, 0...100, "ms", "least time between two syncs"),
            .text(
                "journal.accept_corrupt_segment", \.journalAcceptCorruptSegment,
                "damaged files whose records are given up"),
            .text("history.time_zone", \.historyTimeZone, "zone whose days are the partitions' days"),
            .text("history.schema", \.historySchema, "schema of the history's tables; empty is postgres.schema"),
            .integer(
                "history.retention_days", \.historyRetentionDays, 0...3_650, "days",
                "age beyond which a ping is stale; 0 keeps no history"),
            .integer("history.batch_records", \.historyBatchRecords, 1...100_000, "rows", "most rows in one COPY"),
            .integer(
                "history.batch_ms", \.historyBatchMilliseconds, 1...900, "ms", "longest wait for a batch to fill"),
            .integer(
                "history.keep_s", \.historyKeepSeconds, 0...3_600, "s",
                "life in the journal of pings that Postgres has"),
            .integer(
                "history.partitions_ahead_days", \.historyPartitionsAheadDays, 0...60, "days", "partitions made ahead"),
            .flag("history.migrate", \.historyMigrate, "apply missing migrations at start"),
            .integer(
                "history.maintenance_s", \.historyMaintenanceSeconds, 1...86_400, "s",
                "time between two looks at the partitions"),
            .integer(
                "history.rollup_s", \.historyRollupSeconds, 1...86_400, "s", "time between two runs of the roll-up"),
            .integer(
                "history.hourly_retention_days", \.historyHourlyRetentionDays, 0...36_500, "days",
                "life of the hourly roll-up; 0 is for ever"),
            .text(
                "history.archive_directory", \.historyArchiveDirectory,
                "where days go before they are dropped; empty drops them without"),
            .integer(
                "history.archive_retention_days", \.historyArchiveRetentionDays, 0...36_500, "days",
                "life of an archived day; 0 is for ever"),
            .integer(
                "history.track_gap_s", \.historyTrackGapSeconds, 10...86_400, "s", "silence that ends a track"),
            .integer("history.stop_s", \.historyStopSeconds, 10...86_400, "s", "least length of a stop"),
            .integer("history.stop_radius_m", \.historyStopRadiusMetres, 5...10_000, "m", "how far a stop reaches"),
            .integer(
                "history.sessions_s", \.historySessionsSeconds, 1...3_600, "s",
                "time between two writes of driver_sessions"),
            .number(
                "judge.accuracy_below_m", \.judgeAccuracyBelowMetres, 1...200, "m", "accuracies from here are refused"),
            .integer(
                "judge.future_tolerance_s", \.judgeFutureToleranceSeconds, 0...3_600, "s", "how far ahead a fix may be"),
            .number(
                "judge.maximum_speed_mps", \.judgeMaximumSpeed, 1...1_000, "m/s", "reported speeds are cut to this"),
            .number(
                "judge.maximum_implied_speed_mps", \.judgeMaximumImpliedSpeed, 1...1_000, "m/s", "above this is a jump"),
            .flag("judge.reject_zero_island", \.judgeRejectZeroIsland, "refuse exactly 0,0"),
            .flag("judge.reject_mock", \.judgeRejectMock, "refuse simulated positions"),
            .number(
                "phones.assumed_accuracy_m", \.phonesAssumedAccuracyMetres, 0...199, "m",
                "accuracy of phones that know none; 0 refuses them"),
            .flag("phones.friends", \.phonesFriends, "tell OwnTracks where the others of its driver's groups are"),
            .integer("lane.age_s", \.laneAgeSeconds, 1...86_400, "s", "age from which pings are backlog"),
            .integer("lane.mib", \.laneMiB, 1...16_384, "MiB", "most memory for backlog that waits"),
            .integer(
                "rates.near_ms", \.ratesNearMilliseconds, 0...3_600_000, "ms",
                "time between pings of who is watched and near; 0 leaves it to devices"),
            .integer(
                "rates.watched_ms", \.ratesWatchedMilliseconds, 0...3_600_000, "ms", "the same of who is watched"),
            .integer("rates.idle_ms", \.ratesIdleMilliseconds, 0...3_600_000, "ms", "the same of all others"),
            .integer("rates.near_m", \.ratesNearMetres, 0...100_000, "m", "how near a destination is near"),
            .text("mds.provider_id", \.mdsProviderID, "the operator's UUID in MDS feeds; empty serves none"),
            .integer("live.tick_ms", \.liveTickMilliseconds, 1...1_000, "ms", "least time between two pushes"),
            .integer("live.stale_s", \.liveStaleSeconds, 1...86_400, "s", "age at which a driver is stale"),
            .integer("live.offline_s", \.liveOfflineSeconds, 1...86_400, "s", "age at which a driver is offline"),
            .integer(
                "live.subjects_per_key", \.liveSubjectsPerKey, 1...100_000, "subjects", "most on one connection"),
            .integer(
                "live.subjects_per_session", \.liveSubjectsPerSession, 1...10_000, "subjects",
                "most of one tracking session"),
            .integer(
                "live.replay_mib", \.liveReplayMiB, 1...16_384, "MiB",
                "most memory for what returning viewers are told again"),
            .integer(
                "live.interest_linger_s", \.liveInterestLingerSeconds, 0...600, "s",
                "how long other gateways' positions of a driver are listened to after its last viewer"),
            .integer(
                "live.slow_viewer_s", \.liveSlowViewerSeconds, 1...600, "s",
                "how long a viewer may leave its socket full"),
            .integer(
                "arrivals.soon_s", \.arrivalsSoonSeconds, 0...7_200, "s",
                "how long before its arrival an order arrives soon; 0 is never"),
            .integer(
                "arrivals.arriving_radius_m", \.arrivalsArrivingRadiusMetres, 10...100_000, "m",
                "how near its destination a driver is arriving"),
            .integer(
                "arrivals.arrived_radius_m", \.arrivalsArrivedRadiusMetres, 5...10_000, "m", "how near it has arrived"),
            .integer(
                "arrivals.departed_m", \.arrivalsDepartedMetres, 10...100_000, "m",
                "how far a driver moves before it has departed"),
            .integer(
                "arrivals.interval_s", \.arrivalsIntervalSeconds, 1...3_600, "s",
                "time between two writes of an arrival's time"),
            .integer(
                "arrivals.push_s", \.arrivalsPushSeconds, 1...300, "s",
                "time between two words to viewers on when their order arrives"),
            .integer("web.heartbeat_s", \.webHeartbeatSeconds, 1...600, "s", "time between pings to WebSockets"),
            .integer(
                "web.message_deadline_s", \.webMessageDeadlineSeconds, 1...600, "s", "time a body or message may take"),
            .text("web.allowed_origins", \.webAllowedOrigins, "origins of other hosts' pages; * is any"),
            .text("web.trusted_proxies", \.webTrustedProxies, "ranges whose X-Forwarded-For is believed"),
            .text("web.public_url", \.webPublicURL, "where customers open their maps"),
            .text("web.tls_certificate", \.webTLSCertificate, "certificate chain in PEM; empty is no TLS"),
            .text("web.tls_key", \.webTLSKey, "its private key in PEM"),
            .text("web.metrics_from", \.webMetricsFrom, "addresses that read /metrics without a credential"),
            .integer(
                "access.refresh_s", \.accessRefreshSeconds, 1...300, "s",
                "time between two looks for what was revoked or assigned"),
            .text("access.jwks_file", \.accessJWKSFile, "keys that sign JWTs; empty accepts none"),
            .text("access.jwt_audience", \.accessJWTAudience, "what a JWT's aud must hold"),
            .integer(
                "access.jwt_leeway_s", \.accessJWTLeewaySeconds, 0...600, "s", "how far issuers' clocks may differ"),
            .integer(
                "access.jwt_maximum_lifetime_s", \.accessJWTMaximumLifetimeSeconds, 60...315_360_000, "s",
                "how far ahead a JWT may expire"),
            .integer(
                "access.session_ttl_s", \.accessSessionTTLSeconds, 1...31_536_000, "s",
                "life of a tracking session that names none"),
            .integer(
                "access.session_maximum_ttl_s", \.accessSessionMaximumTTLSeconds, 1...31_536_000, "s",
                "longest life of a tracking session"),
            .text("access.audit_key", \.accessAuditKey, "secret behind the hashes of erased drivers"),
            .integer(
                "limits.device_pings_per_s", \.limitsDevicePingsPerSecond, 0...1_000_000, "pings/s",
                "a device's rate in the long run; 0 is unlimited"),
            .integer(
                "limits.device_burst", \.limitsDeviceBurst, 1...10_000_000, "pings", "what a device may send at once"),
            .integer(
                "limits.key_pings_per_s", \.limitsKeyPingsPerSecond, 0...10_000_000, "pings/s",
                "an API key's rate in the long run; 0 is unlimited"),
            .integer(
                "limits.key_requests_per_s", \.limitsKeyRequestsPerSecond, 0...1_000_000, "requests/s",
                "a credential's rate in the long run; 0 is unlimited"),
            .integer(
                "limits.key_burst", \.limitsKeyBurst, 1...10_000_000, "requests", "what a credential may ask at once"),
            .integer(
                "limits.address_requests_per_s", \.limitsAddressRequestsPerSecond, 0...1_000_000, "requests/s",
                "an address's rate in the long run; 0 is unlimited"),
            .integer(
                "limits.address_burst", \.limitsAddressBurst, 1...10_000_000, "requests",
                "what an address may ask at once"),
            .integer(
                "limits.connections_per_address", \.limitsConnectionsPerAddress, 0...1_000_000, "connections",
                "most of one address; 0 is unlimited"),
            .text("limits.exempt_addresses", \.limitsExemptAddresses, "ranges without limits an address"),
            .integer(
                "limits.window_s", \.limitsWindowSeconds, 1...86_400, "s",
                "window of the counters that processes share"),
            .text("limits.counter_key", \.limitsCounterKey, "key of those counters"),
            .integer(
                "limits.viewer_frames_per_s", \.limitsViewerFramesPerSecond, 1...100_000, "frames/s",
                "a viewer's rate in the long run"),
            .text("webhook.url", \.webhookURL, "where events of orders are posted; empty is nowhere"),
            .text("webhook.secret", \.webhookSecret, "what signs them"),
            .text("webhook.events", \.webhookEvents, "types of events that are posted; empty is all"),
            .text("webhook.statuses", \.webhookStatuses, "other names for types of events"),
            .text("webhook.fields", \.webhookFields, "what a posted event holds, as a field layout"),
            .integer(
                "webhook.timeout_s", \.webhookTimeoutSeconds, 1...60, "s", "how long a receiver may take"),
            .integer(
                "webhook.retain_days", \.webhookRetainDays, 0...365, "days", "life of a delivered event in the outbox"),
            .text("map.tile_url", \.mapTileURL, "tile address with {z}, {x}, {y}; empty draws a grid"),
            .text("map.tile_attribution", \.mapTileAttribution, "credit to the tiles' owner"),
            .text("map.leaflet_directory", \.mapLeafletDirectory, "Leaflet's files, from Debian's libjs-leaflet"),
            .choice(
                "log.level", \.logLevel, ["trace", "debug", "info", "notice", "warning", "error", "critical"],
                "least important lines that are written"),
        ]
    }
}
