"""Does what processes in Camunda ask for: books an invoice, publishes a technician's verdict.

The promise: a task is completed only after its effect, and an effect done twice is the same one: an invoice's booking number
is made from the invoice, a verdict carries its incident as key. A task that cannot be done is given back with its retries and
the reason; one whose helper (Kafka) is away is given back without losing a retry. While Camunda is away, it is asked again.
"""
