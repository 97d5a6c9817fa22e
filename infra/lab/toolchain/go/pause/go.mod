module iotlab.example/pause

go 1.26.0
