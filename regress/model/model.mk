# model: the models of the protocol under spin, and the bugs planted in them.
.PHONY: model

model:
	@mkdir -p $(O)/regress/model
	@CC='$(CC)' sh regress/model/model.sh $(abspath $(O))/regress/model
