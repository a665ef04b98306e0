/// Everything an operator can set, as plain values with their defaults. `Settings` says how each is written.

/// The gateway's configuration. `config/drover.yaml` holds the same defaults with their units and meanings; a test
/// parses it back to this.
public struct Configuration: Sendable, Equatable {
    /// Address and port to listen on.
    public var listen = "127.0.0.1:8080"
    /// How many processes serve it: a number, or `auto` for as many as there are cores.
    public var workers = "1"
    /// Where Redis is.
    public var redisURL = "redis://127.0.0.1:6379/0"
    /// Key of a driver's hash; `{id}` stands for the driver.
    public var redisLocationKey = "driver:{id}:location"
    /// Channel that a driver's positions are published on.
    public var redisLocationChannel = "driver:{id}:location"
    /// For how long a driver is listened to after its last viewer, in seconds.
    public var liveInterestLingerSeconds = 60
    /// How positions are published: `plain` or `sharded`.
    public var redisPubsub = "plain"
    /// What a driver's hash holds, as a field layout.
    public var redisLocationFields =
        "lat, lng, accuracy, recorded_at, timestamp=recorded_at:iso, heading, speed"
    /// Key of the GEO set.
    public var redisGeoKey = "drivers:geo"
    /// Sorted set of a user's orders by the time of arrival; `{user}` stands for the user. Empty: none is written.
    public var redisETAKey = ""
    /// Life of a driver's hash after it was last written, in seconds.
    public var redisLocationTTLSeconds = 300
    /// How often changed hashes are written, in milliseconds.
    public var redisWriteIntervalMilliseconds = 250
    /// Where Postgres is, as libpq reads it.
    public var postgresURL = "postgresql:///drover"
    /// Beside a transaction-mode pool: a direct connection for migrations and partitions. Empty: the same.
    public var postgresDirectURL = ""
    /// The schema of Drover's tables.
    public var postgresSchema = "public"
    /// Where the journal lives.
    public var journalDirectory = "/var/lib/drover/journal"
    /// Size beyond which new pings are refused, in MiB.
    public var journalLimitMiB = 4_096
    /// Size of one segment, in MiB.
    public var journalSegmentMiB = 16
    /// Least time between two syncs of the journal, in milliseconds.
    public var journalGroupMilliseconds = 8
    /// Damaged segment files that are given up, separated by commas.
    public var journalAcceptCorruptSegment = ""
    /// The zone whose days are the partitions' days.
    public var historyTimeZone = "UTC"
    /// The schema of the history's tables; empty: `postgresSchema`.
    public var historySchema = ""
    /// Age beyond which a ping is refused as stale, in days; 0 keeps no history.
    public var historyRetentionDays = 30
    /// Most rows in one COPY.
    public var historyBatchRecords = 20_000
    /// Longest wait for a batch to fill, in milliseconds.
    public var historyBatchMilliseconds = 200
    /// How long pings that Postgres has stay in the journal, in seconds.
    public var historyKeepSeconds = 0
    /// Partitions made ahead, in days.
    public var historyPartitionsAheadDays = 2
    /// Whether `serve` applies missing migrations.
    public var historyMigrate = true
    /// How often partitions are looked after, in seconds.
    public var historyMaintenanceSeconds = 600
    /// How often the hourly roll-up is brought up to date, in seconds.
    public var historyRollupSeconds = 60
    /// Life of the hourly roll-up, in days; 0 keeps it for ever.
    public var historyHourlyRetentionDays = 0
    /// Where days are written before their partition is dropped; empty: they are dropped without.
    public var historyArchiveDirectory = "/var/lib/drover/archive"
    /// Life of an archived day after it ended, in days; 0 keeps it for ever.
    public var historyArchiveRetentionDays = 0
    /// Silence that ends a track, in seconds.
    public var historyTrackGapSeconds = 300
    /// How long a driver stays in a place that is a stop, in seconds.
    public var historyStopSeconds = 180
    /// How far around a stop it may move, in metres.
    public var historyStopRadiusMetres = 70
    /// How often `driver_sessions` is brought up to date, in seconds.
    public var historySessionsSeconds = 30
    /// Accuracies from here on are refused, in metres.
    public var judgeAccuracyBelowMetres = 200.0
    /// How far ahead a fix may be, in seconds.
    public var judgeFutureToleranceSeconds = 30
    /// Reported speeds are cut to this, in m/s.
    public var judgeMaximumSpeed = 70.0
    /// Implied speeds above this are jumps, in m/s.
    public var judgeMaximumImpliedSpeed = 70.0
    /// Whether exactly 0,0 is refused.
    public var judgeRejectZeroIsland = true
    /// Whether simulated positions are refused.
    public var judgeRejectMock = false
    /// Accuracy of phones that send 0 or nothing because they know none, in metres; 0 refuses such points.
    public var phonesAssumedAccuracyMetres = 20.0
    /// Whether OwnTracks is told where the others of its driver's groups are.
    public var phonesFriends = true
    /// Age from which pings are backlog, which waits for live ones, in seconds.
    public var laneAgeSeconds = 60
    /// Most memory for backlog that waits, in MiB.
    public var laneMiB = 64
    /// Time between pings that a watched driver near its destination is asked for, in milliseconds; 0 asks for nothing.
    public var ratesNearMilliseconds = 1_000
    /// The same of a watched driver.
    public var ratesWatchedMilliseconds = 3_000
    /// The same of a driver whom nobody watches.
    public var ratesIdleMilliseconds = 15_000
    /// How near its destination a driver is near, in metres.
    public var ratesNearMetres = 1_000
    /// The operator's UUID in MDS feeds; empty: there are none.
    public var mdsProviderID = ""
    /// Least time between two pushes to viewers, in milliseconds.
    public var liveTickMilliseconds = 20
    /// Age at which a driver is stale, in seconds.
    public var liveStaleSeconds = 30
    /// Age at which a driver is offline, in seconds.
    public var liveOfflineSeconds = 120
    /// Most subjects on one connection of an API key.
    public var liveSubjectsPerKey = 5_000
    /// Most subjects of one tracking session, and on one connection with it.
    public var liveSubjectsPerSession = 50
    /// Most memory for the positions that a returning viewer is told again, in MiB.
    public var liveReplayMiB = 64
    /// How long a viewer may leave its socket full, in seconds.
    public var liveSlowViewerSeconds = 10
    /// How long before its arrival an order is said to arrive soon, in seconds; 0 never says so.
    public var arrivalsSoonSeconds = 300
    /// How near its destination a driver is arriving, in metres.
    public var arrivalsArrivingRadiusMetres = 300
    /// How near it has arrived, in metres.
    public var arrivalsArrivedRadiusMetres = 50
    /// How far a driver moves before he has departed, in metres.
    public var arrivalsDepartedMetres = 150
    /// How often times of arrival are written, in seconds.
    public var arrivalsIntervalSeconds = 5
    /// How often viewers are told when their orders arrive, in seconds.
    public var arrivalsPushSeconds = 5
    /// How often WebSockets are pinged, in seconds.
    public var webHeartbeatSeconds = 25
    /// How long a body or a message may take to arrive, in seconds.
    public var webMessageDeadlineSeconds = 10
    /// Origins of pages on other hosts that browsers may let in; `*` is any.
    public var webAllowedOrigins = ""
    /// Address ranges of proxies whose X-Forwarded-For is believed.
    public var webTrustedProxies = ""
    /// The address that customers' maps are opened at; empty: the Host that the request named.
    public var webPublicURL = ""
    /// Files of a certificate chain and its key, in PEM; empty: no TLS.
    public var webTLSCertificate = ""
    /// See `webTLSCertificate`.
    public var webTLSKey = ""
    /// Addresses that may read /metrics without a credential.
    public var webMetricsFrom = "127.0.0.1,::1"
    /// How often known credentials, sessions and assignments are looked up again, in seconds.
    public var accessRefreshSeconds = 5
    /// The file of keys that sign JWTs; empty: none is accepted.
    public var accessJWKSFile = ""
    /// What a JWT's `aud` must hold, where it has one; empty: it is not looked at.
    public var accessJWTAudience = "drover"
    /// How far clocks of issuers may differ, in seconds.
    public var accessJWTLeewaySeconds = 60
    /// How far ahead a JWT's `exp` may be, in seconds.
    public var accessJWTMaximumLifetimeSeconds = 2_678_400
    /// Life of a tracking session that names none, in seconds.
    public var accessSessionTTLSeconds = 3_600
    /// The longest life of a tracking session, in seconds.
    public var accessSessionMaximumTTLSeconds = 604_800
    /// The secret behind the hashes that stand for erased drivers; empty: one that Postgres keeps.
    public var accessAuditKey = ""
    /// Pings a second that a device may send in the long run; 0 is unlimited.
    public var limitsDevicePingsPerSecond = 100
    /// Pings that a device may send at once, such as an hour's backlog.
    public var limitsDeviceBurst = 20_000
    /// Pings a second that an API key may send in the long run; 0 is unlimited.
    public var limitsKeyPingsPerSecond = 0
    /// Requests a second that a credential may make in the long run; 0 is unlimited.
    public var limitsKeyRequestsPerSecond = 100
    /// Requests that a credential may make at once.
    public var limitsKeyBurst = 1_000
    /// Requests a second from one address in the long run; 0 is unlimited.
    public var limitsAddressRequestsPerSecond = 100
    /// Requests at once from one address.
    public var limitsAddressBurst = 1_000
    /// Connections of one address; 0 is unlimited.
    public var limitsConnectionsPerAddress = 500
    /// Address ranges that no limit an address applies to; trusted proxies need not be named.
    public var limitsExemptAddresses = "127.0.0.0/8,::1"
    /// Window of the counters that processes share in Redis, in seconds.
    public var limitsWindowSeconds = 60
    /// Key of those counters.
    public var limitsCounterKey = "rate_limit:{client}:{endpoint}"
    /// Frames a second that a viewer may send in the long run.
    public var limitsViewerFramesPerSecond = 20
    /// Where events of orders are posted; empty: nowhere.
    public var webhookURL = ""
    /// The secret that signs them.
    public var webhookSecret = ""
    /// The types of events that are posted; empty: all.
    public var webhookEvents = ""
    /// Their names where the receiver's words are others.
    public var webhookStatuses = ""
    /// What a posted event holds, as a field layout.
    public var webhookFields =
        "id, type, order_id=order, driver_id=driver, at=at:iso, lat, lng, recorded_at=recorded_at:iso"
    /// How long a receiver may take, in seconds.
    public var webhookTimeoutSeconds = 10
    /// Life of a delivered event in the outbox, in days.
    public var webhookRetainDays = 7
    /// Address template of map tiles; empty draws a plain grid.
    public var mapTileURL = ""
    /// The credit that the tiles' owner asks for.
    public var mapTileAttribution = ""
    /// Where Leaflet's files are.
    public var mapLeafletDirectory = "/usr/share/javascript/leaflet"
    /// Least important log lines that are written.
    public var logLevel = "info"
    /// What fits Drover to a platform's own data model.
    public var system = SystemConfiguration()

    /// The defaults.
    public init() {}
}
