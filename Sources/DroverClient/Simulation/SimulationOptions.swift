/// What a simulation is made of.

extension Simulation {
    /// How many drivers and viewers, where, and how often.
    public struct Options: Sendable {
        /// The gateway's address.
        public var gateway: String
        /// A backend key with `pings:write`, and `positions:read` where there are viewers.
        public var token: String
        /// What viewers log in with; nil is `token`.
        public var viewerToken: String?
        /// Simulated vans.
        public var drivers: Int
        /// Pings a second of each.
        public var hertz: Double
        /// Simulated viewers.
        public var viewers: Int
        /// How many drivers each viewer watches.
        public var driversPerViewer: Int
        /// The centre, degrees.
        public var latitude: Double
        /// The centre, degrees.
        public var longitude: Double
        /// How far from the centre vans drive, metres.
        public var radiusMetres: Double
        /// Drives, subscriptions and phases are the same from the same seed.
        public var seed: UInt64
        /// What drivers' ids begin with; a number of four digits or more follows.
        public var prefix: String
        /// Drivers that share one ingest connection.
        public var driversPerConnection: Int
        /// How long without a connection to go on trying.
        public var patienceSeconds: Int

        /// Twenty vans at 1 Hz in the middle of Toronto, watched by nobody.
        public init(
            gateway: String, token: String, viewerToken: String? = nil, drivers: Int = 20, hertz: Double = 1,
            viewers: Int = 0, driversPerViewer: Int = 3, latitude: Double = 43.6532, longitude: Double = -79.3832,
            radiusMetres: Double = 2500, seed: UInt64 = 1, prefix: String = "van", driversPerConnection: Int = 1,
            patienceSeconds: Int = 60
        ) {
            self.gateway = gateway
            self.token = token
            self.viewerToken = viewerToken
            self.drivers = drivers
            self.hertz = hertz
            self.viewers = viewers
            self.driversPerViewer = driversPerViewer
            self.latitude = latitude
            self.longitude = longitude
            self.radiusMetres = radiusMetres
            self.seed = seed
            self.prefix = prefix
            self.driversPerConnection = driversPerConnection
            self.patienceSeconds = patienceSeconds
        }

        func check() throws(DroverClientError) {
            guard (1...1_000_000).contains(drivers) else { throw .badOption("--drivers is a number from 1 to 1000000") }
            guard hertz > 0, hertz <= 100 else { throw .badOption("--hertz is above 0 and at most 100") }
            guard (0...100_000).contains(viewers) else { throw .badOption("--viewers is a number from 0 to 100000") }
            guard (1...50).contains(driversPerViewer) else {
                throw .badOption("a viewer watches 1 to 50 drivers, as many as a session may")
            }
            guard abs(latitude) <= 80, abs(longitude) <= 180 else {
                throw .badOption("--around is a latitude from -80 to 80 and a longitude from -180 to 180")
            }
            guard radiusMetres >= 200, radiusMetres <= 50_000 else {
                throw .badOption("the radius is from 200 m to 50 km")
            }
            guard isDriverID(prefix + "-1000000") else { throw .badOption("`\(prefix)` cannot begin a driver's id") }
            guard driversPerConnection >= 1 else { throw .badOption("a connection serves at least one driver") }
        }
    }
}

/// What a simulation has counted.
public struct SimulationStatistics: Sendable {
    /// Pings handed to the gateway.
    public internal(set) var sent = 0
    /// Pings not sent since too many were unacknowledged: the gateway did not keep up.
    public internal(set) var skipped = 0
    /// Settled by the gateway, rejections included.
    public internal(set) var acknowledged = 0
    /// Judged away, by reason.
    public internal(set) var rejected: [String: Int] = [:]
    /// Positions viewers got, snapshots not counted.
    public internal(set) var updates = 0
    /// Connections lost, of drivers and viewers.
    public internal(set) var interruptions = 0
    /// Drivers' and viewers' sessions that ended for good.
    public internal(set) var ended = 0
    /// The last reason why one was interrupted or ended.
    public internal(set) var lastProblem: String?
    /// From a ping's sending to its acknowledgement.
    public internal(set) var acknowledgements = LatencyRecorder()
    /// From a ping's sending to its arrival at a viewer.
    public internal(set) var deliveries = LatencyRecorder()
    /// How late pings were sent against their plan: the generator's own limit.
    public internal(set) var lateness = LatencyRecorder()
}
