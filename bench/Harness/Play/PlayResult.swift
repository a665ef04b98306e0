/// What a played scenario found: one JSON line, and a table for people.
import FoundationEssentials

struct PlayResult: Codable {
    var scenario: String
    var target: String
    var seconds: Double
    /// With intended times in the measured part, and how many a second that was.
    var pings: Int
    var pingsPerSecond: Double
    var deliveries: Int
    var deliveriesPerSecond: Double
    /// Over the whole run.
    var sent: Int
    var acknowledged: Int
    var unacknowledged: Int
    /// Not sent, since their connection was not open or took no more.
    var unsent: Int
    /// On their way when their connection was cut.
    var cutOff: Int
    /// Frames refused for now (429, 503), and those with other failures or rejections.
    var refusals: Int
    var failures: Int
    var rejections: Int
    /// Connections that the server ended.
    var lostDevices: Int
    var lostViewers: Int
    var connectionFailures: Int
    var connectionsGivenUp: Int
    var returnFailures: Int
    var returnsGivenUp: Int
    var backlogPings: Int
    var disturbedSeconds: Double
    var histograms: [HistogramRecord]
    var costs: [ServerCost]
    /// Why the figures are the generator's; nil where they are the server's.
    var generatorLimit: String?
    var generatorShare: Double
    /// Cores that were busy with something else; nil where that is not known.
    var otherCores: Double?
    var notes: [String]

    init(_ scenario: PlayScenario, target: String, _ result: LoadResult, _ watch: CostWatch) {
        self.scenario = scenario.name
        self.target = target
        seconds = result.seconds
        pings = result.pings
        pingsPerSecond = Double(result.pings) / result.seconds
        deliveries = result.deliveries
        deliveriesPerSecond = Double(result.deliveries) / result.seconds
        let counts = result.counts
        sent = counts.sent
        acknowledged = counts.acknowledged
        unacknowledged = result.unacknowledged
        unsent = counts.unsent
        cutOff = counts.cutOff
        refusals = counts.refusals
        failures = counts.failures
        rejections = counts.rejections
        lostDevices = counts.lost
        lostViewers = result.deliveryCounts.lost
        connectionFailures = result.deviceArrivals.failures + result.viewerArrivals.failures
        connectionsGivenUp = result.deviceArrivals.givenUp + result.viewerArrivals.givenUp
        returnFailures = result.deviceReturns.failures + result.viewerReturns.failures
        returnsGivenUp = result.deviceReturns.givenUp + result.viewerReturns.givenUp
        backlogPings = counts.backlogAcknowledged
        disturbedSeconds = result.disturbedSeconds
        let disturbance = scenario.plan.storm != nil ? "during the storm" : "during the flush"
        // Without a ramp all are meant to come at once, and their order would be what is measured.
        let isGrown = scenario.plan.profile.ramp > 0
        histograms = [
            ("ping to acknowledgement", result.acknowledged), ("ping to viewer", result.viewed),
            ("ping to acknowledgement \(disturbance)", result.disturbedAcknowledged),
            ("ping to viewer \(disturbance)", result.disturbedViewed),
            ("a device's arrival to its hello", isGrown ? result.deviceArrivals.ready : Latencies()),
            ("a viewer's arrival to its snapshot", isGrown ? result.viewerArrivals.ready : Latencies()),
            ("a device's return to its handshake", result.deviceReturns.handshake),
            ("a device's return to its hello", result.deviceReturns.ready),
            ("a viewer's return to its handshake", result.viewerReturns.handshake),
            ("a viewer's return to its snapshot", result.viewerReturns.ready),
            ("a phone's flush", result.flushTimes), ("generator late", result.lag),
        ].filter { $0.1.count > 0 }.map { HistogramRecord($0.0, $0.1) }
        costs = watch.costs(result)
        otherCores = watch.otherCores(result)
        generatorLimit = result.generatorLimit
        generatorShare = result.generatorShare
        notes = []
        notes = remarks(result)
    }

    private func remarks(_ result: LoadResult) -> [String] {
        var notes: [String] = []
        if let generatorLimit {
            notes.append("the generator was the limit: \(generatorLimit); the latencies are its own in part")
        }
        if let otherCores, otherCores > 0.1 {
            notes.append("others used \(decimals(otherCores, 1)) cores meanwhile; the latencies are theirs too")
        }
        func say(_ count: Int, _ text: String) { if count > 0 { notes.append("\(count) \(text)") } }
        say(unacknowledged, "pings were never acknowledged")
        say(unsent, "pings were not sent: their connection was not open, or took no more")
        say(cutOff, "pings were on their way when their connection ended; a phone would send them again")
        say(refusals, "frames were refused for now (429, 503)")
        say(failures, "frames were answered by a failure")
        say(rejections, "acknowledgements carried rejections")
        say(lostDevices, "devices' connections were ended by the server")
        say(lostViewers, "viewers' connections were ended by the server \(result.deliveryCounts.lostReason)")
        say(
            connectionFailures,
            "attempts to connect failed: \(result.deviceArrivals.reason ?? result.viewerArrivals.reason ?? "")")
        say(
            returnFailures,
            "attempts to come back failed: \(result.deviceReturns.reason ?? result.viewerReturns.reason ?? "")")
        say(connectionsGivenUp + returnsGivenUp, "connections were given up after five attempts")
        return notes
    }

    var json: String {
        get throws {
            let encoder = JSONEncoder()
            encoder.keyEncodingStrategy = .convertToSnakeCase
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            return try String(decoding: encoder.encode(self), as: UTF8.self)
        }
    }
}
