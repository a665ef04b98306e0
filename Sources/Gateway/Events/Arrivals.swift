/// When an order will be there, as it is told: to viewers who watch it, and to backends that ask.
import EventLoop
import Tracking

/// An order on its way with one driver.
struct Arrival {
    let order: DriverID
    let driver: DriverID
    let destination: Destination
    let stage: ArrivalStage
    /// Made now.
    let estimate: ArrivalEstimate
}

extension ArrivalWatch {
    /// The order's arrival with each driver who carries it and whose position is known; none where nobody has said where it
    /// goes.
    func arrivals(of order: DriverID, now: Microseconds) -> [Arrival] {
        let pipeline = gateway.pipeline
        return drivers(of: order).compactMap { driver in
            guard let known = followed[driver], let state = known.orders[order], let destination = state.destination,
                let position = pipeline.drivers.index(of: driver).flatMap({ pipeline.fanout.position(of: $0) })
            else { return nil }
            let estimate = ArrivalEstimate(from: position, to: destination, pace: known.pace, now: now)
            return Arrival(
                order: order, driver: driver, destination: destination, stage: state.tracker.stage, estimate: estimate)
        }
    }

    /// Whether the driver is within so many metres of where one of its orders goes, as of its newest position.
    func isNear(_ driver: DriverIndex, metres: Double) -> Bool {
        guard !followed.isEmpty, let known = followed[gateway.pipeline.drivers.id(of: driver)] else { return false }
        return known.orders.values.contains { order in
            order.tracker.estimate.map { $0.straightMetres <= metres } ?? false
        }
    }
}

extension JSONWriter {
    /// A frame or an answer about arrivals. `precision` is what a viewer's positions are rounded to, in metres, 0 for not
    /// at all: the distance that is left must not tell more. The destination is the viewer's own.
    mutating func arrivals(_ arrivals: [Arrival], precision: Int32, now: Microseconds) {
        raw("{\"now\":\(now / 1_000),\"arrivals\":[")
        for (index, arrival) in arrivals.enumerated() {
            raw(index == 0 ? "{\"subject\":" : ",{\"subject\":")
            string(Subject.order(arrival.order).name)
            raw(",\"driver_id\":")
            id(arrival.driver)
            raw(",\"lat\":")
            fixed(Int64(arrival.destination.latitude), decimals: 7)
            raw(",\"lng\":")
            fixed(Int64(arrival.destination.longitude), decimals: 7)
            let step = Double(max(1, precision))
            let remaining = Int64((arrival.estimate.straightMetres / step).rounded() * step)
            raw(",\"arrives_at\":\(arrival.estimate.arrivesAt / 1_000),\"remaining_m\":\(remaining)")
            raw(",\"confidence\":\"\(arrival.estimate.confidence.rawValue)\",\"stage\":\"\(arrival.stage.name)\"}")
        }
        raw("]}")
    }
}
